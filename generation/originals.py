"""What is kept to the last step is put back from the originals themselves, at the picture's own size.

Models encode and decode what they keep, and draw at their own size: that costs letters on a label and the leaves of a
tree. So the product's pixels always come from the packshot, and if they are kept to the end, the place's come from the
photo and the face's from the portrait.
"""

from __future__ import annotations

from PIL import Image, ImageChops, ImageFilter

from generation.material import Material
from generation.scene import collage, paste_product, regions, to_mask

_TO_THE_END = 1.0
_RIM = 64
"""The rim round a figure that is left as drawn is a 64th of the picture wide."""
_GAIN = 8


def put_back(picture: Image.Image, material: Material) -> Image.Image:
    """``picture`` (RGB, any size) with the product's own pixels, and the photo's and the portrait's where they are kept
    to the end."""
    product, figure = material.product(picture.size), material.figure(picture.size)
    where = regions(material.layout, product)
    if material.recipe.environment_keep >= _TO_THE_END:
        mask = to_mask(where.kept_place)
        if figure is not None:
            mask.paste(0, mask=_with_rim(figure.getchannel("A")))
        picture = Image.composite(collage(material.photo, product, material.layout), picture.convert("RGB"), mask)
    if material.recipe.face_keep >= _TO_THE_END and figure is not None:
        mask = ImageChops.multiply(to_mask(where.face), figure.getchannel("A"))
        picture = Image.composite(figure.convert("RGB"), picture.convert("RGB"), mask)
    return paste_product(picture, product)


def _with_rim(alpha: Image.Image) -> Image.Image:
    """An outline that is wider all round by about two rims, with a soft edge; a maximum filter would take 60 times
    as long."""
    return alpha.filter(ImageFilter.GaussianBlur(max(alpha.size) / _RIM)).point(lambda value: min(255, _GAIN * value))
