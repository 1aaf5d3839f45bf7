"""The picture before any model has seen it: photo, contact shadow, figure and product, laid over each other."""

from __future__ import annotations

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

from generation.scene.layout import MEAN, Variation

_SHADOW = 0.45


def collage(
    plate: Image.Image,
    product: Image.Image,
    *,
    stands: bool,
    figure: Image.Image | None = None,
    variation: Variation = MEAN,
) -> Image.Image:
    """The place with what stands in it.

    Args:
        plate: the photo of the place, RGB, fitted to the picture's size.
        product: the placed cut-out, RGBA, the picture's size.
        stands: the product stands on something and throws a contact shadow.
        figure: the placed person, RGBA, the picture's size; given if the person is to start from the portrait.
    """
    picture = plate
    if stands:
        picture = Image.composite(Image.new("RGB", plate.size), plate, contact_shadow(product, variation.shadow))
    if figure is not None:
        picture = picture.copy()
        picture.paste(figure, mask=figure)
    return paste_product(picture, product)


def fit(photo: Image.Image, size: tuple[int, int], variation: Variation = MEAN) -> Image.Image:
    """``photo`` scaled and cropped to fill ``size``, RGB: its middle, or the part that a take shows."""
    whole = ImageOps.fit(photo.convert("RGB"), size, Image.Resampling.LANCZOS)
    if not variation.zoom:
        return whole
    width, height = (edge * variation.zoom for edge in size)
    left, top = width * variation.aside[0], height * variation.aside[1]
    shown = (left, top, left + size[0] - width, top + size[1] - height)
    return whole.resize(size, Image.Resampling.LANCZOS, box=shown)


def height_shown(share: float, photo: tuple[int, int], size: tuple[int, int], variation: Variation = MEAN) -> float:
    """Where a height of a photo of the size ``photo`` (share from above) lies in what :func:`fit` shows of it."""
    whole = max(size[0] / photo[0], size[1] / photo[1]) * photo[1] / size[1]  # in heights of the picture
    fitted = share * whole - (whole - 1) / 2
    return (fitted - variation.zoom * variation.aside[1]) / (1 - variation.zoom)


def contact_shadow(product: Image.Image, aside: float) -> Image.Image:
    """How much the ground is darkened where a placed product (RGBA) meets it, mode L of its size; ``aside`` by so many
    widths of the product to the right."""
    shadow = Image.new("L", product.size)
    box = product.getchannel("A").getbbox()
    if box is None:
        return shadow
    left, _, right, bottom = box
    depth = max(2, (right - left) // 6)
    overhang = depth // 2
    longer = aside * (right - left)
    ends = left - overhang + min(0.0, longer), right + overhang + max(0.0, longer)
    ImageDraw.Draw(shadow).ellipse((ends[0], bottom - depth, ends[1], bottom + overhang), fill=255)
    return shadow.filter(ImageFilter.GaussianBlur(depth / 3)).point(lambda value: round(value * _SHADOW))


def paste_product(picture: Image.Image, product: Image.Image, feather: float = 0.7) -> Image.Image:
    """The product's own pixels over ``picture``, its edge feathered by 1 to 2 pixels towards the inside.

    A plain alpha blend on purpose: gradient-domain blending shifts the product's colours.
    """
    return Image.composite(product.convert("RGB"), picture.convert("RGB"), product_mask(product, feather))


def product_mask(product: Image.Image, feather: float = 0.7) -> Image.Image:
    """How much of each pixel is the product's own once it is pasted, mode L."""
    alpha = product.getchannel("A")
    return ImageChops.darker(alpha, alpha.filter(ImageFilter.GaussianBlur(feather)))
