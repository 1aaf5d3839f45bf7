"""Refinement: small steps over the composed picture, each kept only if the picture is the better for it.

Light, polish, texture and size, in this order; the product's own pixels are put back last, at the final size, from
the packshot itself, so that no step can invent them.
"""

from __future__ import annotations

from PIL import Image

from generation.bundle import Bundle
from generation.compose import Scene, lay_out
from generation.cutout import cut_out
from generation.encoders import Encoders
from generation.inputs import Result, TakeInputs, opened
from generation.layout import layout_of, place
from generation.scene import paste_product


def refine_picture(bundle: Bundle, encoders: Encoders, inputs: TakeInputs) -> Result:
    """The refined picture of one take, in the size the shot asks for.

    Raises:
        ValueError: an image is missing or cannot be read.
    """
    scene = lay_out(bundle, inputs)
    picture = opened(inputs.picture, f"composed picture of {inputs.shot.product.sku!r}").convert("RGB")
    size = (inputs.shot.width or bundle.card.width, inputs.shot.height or bundle.card.height)
    return Result(inputs.take.key, _finish(scene, picture, size))


def _finish(scene: Scene, picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    shot = scene.inputs.shot
    cutout = cut_out(opened(scene.inputs.packshot, f"packshot of {shot.product.sku!r}"))
    return paste_product(picture, place(cutout, layout_of(shot.framing, shot.seed), size))
