"""Pictures to features: the CLIP image encoder, batched, cached by content."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from diffusers.models.embeddings import ImageProjection
from PIL import Image
from torch import Tensor

from generation.bundle.load import Bundle
from generation.bundle.memory import at_work

_CACHED_IMAGES = 512


@dataclass(frozen=True, slots=True)
class ImageFeatures:
    """An image as CLIP sees it: ``hidden`` [tokens, width] of the last but one layer, ``pooled`` [width]."""

    hidden: Tensor
    pooled: Tensor


class ImageEncoder:
    """The bundle's image encoder with a cache of the last :data:`_CACHED_IMAGES` images.

    The key is the SHA-256 over the pixels that the encoder is shown; the cache belongs to one loaded bundle, so the
    encoder is part of the key by construction.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._cache: OrderedDict[str, ImageFeatures] = OrderedDict()
        self._nothing: ImageFeatures | None = None

    def encode(self, images: Sequence[Image.Image]) -> list[ImageFeatures]:
        """Features of each image; what is not square is padded, so that nothing of it is cropped away."""
        squares = [pad_to_square(image) for image in images]
        keys = [_content_key(square) for square in squares]
        new = {key: square for key, square in zip(keys, squares, strict=True) if key not in self._cache}
        self._bundle.counts.image_hits += len(keys) - len(new)
        if new:
            pixels = self._bundle.image_processor(list(new.values()), return_tensors="pt").pixel_values
            self._cache.update(zip(new, self._forward(pixels), strict=True))
        found = [self._cache[key] for key in keys]
        for key in keys:
            self._cache.move_to_end(key)
        while len(self._cache) > _CACHED_IMAGES:
            self._cache.popitem(last=False)
        return found

    def nothing(self) -> ImageFeatures:
        """What stands for "no image" in guidance: the encoding of zeros, and a zero pooled vector."""
        if self._nothing is None:
            edge = self._bundle.image_encoder.config.image_size
            zero = self._forward(torch.zeros(1, 3, edge, edge))[0]
            self._nothing = ImageFeatures(zero.hidden, torch.zeros_like(zero.pooled))
        return self._nothing

    @torch.inference_mode()
    def _forward(self, pixels: Tensor) -> list[ImageFeatures]:
        self._bundle.counts.image_forwards += 1
        shown = pixels.to(self._bundle.device, self._bundle.dtype)
        with at_work(self._bundle.image_encoder, self._bundle.device, self._bundle.plan.encoders_away):
            output = self._bundle.image_encoder(shown, output_hidden_states=True)
        pairs = zip(output.hidden_states[-2], output.image_embeds, strict=True)
        return [ImageFeatures(hidden, pooled) for hidden, pooled in pairs]


def pad_to_square(image: Image.Image) -> Image.Image:
    """The image as RGB in the middle of a square of its longer edge.

    Transparent parts become white, as in a packshot; the border takes the mean colour of the image's own edge rows,
    which for a packshot is its background.
    """
    if image.mode == "RGBA":
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    image = image.convert("RGB")
    edge = max(image.size)
    if image.size == (edge, edge):
        return image
    square = Image.new("RGB", (edge, edge), _border_colour(image))
    square.paste(image, ((edge - image.width) // 2, (edge - image.height) // 2))
    return square


def _border_colour(image: Image.Image) -> tuple[int, int, int]:
    width, height = image.size
    strips = [(0, 0, width, 1), (0, height - 1, width, height), (0, 0, 1, height), (width - 1, 0, width, height)]
    colours = [image.crop(strip).resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)) for strip in strips]
    red, green, blue = (round(sum(channel) / len(strips)) for channel in zip(*colours, strict=True))
    return red, green, blue


def _content_key(image: Image.Image) -> str:
    return hashlib.sha256(repr((image.mode, image.size)).encode() + image.tobytes()).hexdigest()


def averaged(found: Sequence[ImageFeatures]) -> ImageFeatures:
    """The mean of several pictures of one thing: what they have in common weighs most."""
    if len(found) == 1:
        return found[0]
    return ImageFeatures(
        torch.stack([each.hidden for each in found]).mean(0), torch.stack([each.pooled for each in found]).mean(0)
    )


def adapter_inputs(bundle: Bundle, images: Mapping[str, ImageFeatures]) -> dict[str, Tensor]:
    """What each adapter's projection takes, for one picture: the features of one image per role of the bundle.

    Returns:
        Per role [1, width] (plain adapters) or [1, tokens, width] (plus and full).
    """
    layers = zip(bundle.roles, bundle.projections.image_projection_layers, strict=True)
    return {
        role: (images[role].pooled if isinstance(layer, ImageProjection) else images[role].hidden)[None]
        for role, layer in layers
    }
