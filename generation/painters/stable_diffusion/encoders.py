"""Words and pictures to features: CLIP text encoding of any length, and the CLIP image encoder; batched and cached,
pictures by their content."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.embeddings import ImageProjection
from PIL import Image
from torch import Tensor

from generation.bundle.load import Bundle
from generation.bundle.memory import on_device

_CACHED_TEXTS = 1024


@dataclass(frozen=True, slots=True)
class TextFeatures:
    """A text as the UNet reads it, ``tokens`` [length, width], and as one vector, ``pooled`` [width] (its first chunk;
    projected for SDXL, which is told it too)."""

    tokens: Tensor
    pooled: Tensor


class TextEncoder:
    """The bundle's text encoders with a cache of the last :data:`_CACHED_TEXTS` texts."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._cache: OrderedDict[str, TextFeatures] = OrderedDict()

    def encode(self, texts: Sequence[str]) -> list[TextFeatures]:
        """Features of each text. A text longer than the encoder's window is read in chunks, never cut."""
        new = [text for text in dict.fromkeys(texts) if text not in self._cache]
        self._bundle.counts.text_hits += len(texts) - len(new)
        if new:
            self._cache.update(zip(new, _encode(self._bundle, new), strict=True))
        found = [self._cache[text] for text in texts]
        for text in texts:
            self._cache.move_to_end(text)
        while len(self._cache) > _CACHED_TEXTS:
            self._cache.popitem(last=False)
        return found

    def negative(self, text: str) -> TextFeatures:
        """Features of what to avoid; no words at all are zeros for models that were trained so (SDXL)."""
        features = self.encode([text])[0]
        if text or not self._bundle.zero_negative:
            return features
        return TextFeatures(torch.zeros_like(features.tokens), torch.zeros_like(features.pooled))


@torch.inference_mode()
def _encode(bundle: Bundle, texts: Sequence[str]) -> list[TextFeatures]:
    per_encoder = [
        _encode_with(bundle, tokenizer, encoder, texts)
        for tokenizer, encoder in zip(bundle.tokenizers, bundle.text_encoders, strict=True)
    ]
    if bundle.card.family == "sd15":
        return [TextFeatures(tokens, pooled) for tokens, pooled in per_encoder[0]]
    # SDXL joins both encoders' features and takes the pooled vector of the second.
    return [
        TextFeatures(torch.cat([first[0], second[0]], dim=-1), second[1])
        for first, second in zip(*per_encoder, strict=True)
    ]


def _encode_with(bundle: Bundle, tokenizer: Any, encoder: Any, texts: Sequence[str]) -> list[tuple[Tensor, Tensor]]:
    """Per text its tokens' features [length, width] and the pooled vector of its first chunk."""
    window = min(tokenizer.model_max_length, encoder.config.max_position_embeddings)
    chunks = [chunk_tokens(tokenizer, text, window) for text in texts]
    ids = torch.tensor([ids for text in chunks for ids in text], device=bundle.device)
    two = bundle.card.family == "sdxl"
    with on_device(encoder, bundle.device, bundle.plan.encoders_away):
        output = encoder(ids, output_hidden_states=two)
    bundle.counts.text_forwards += 1
    hidden = output.hidden_states[-2] if two else output[0]
    pooled = output["text_embeds"] if "text_embeds" in output else output["pooler_output"]
    lengths = [len(text) for text in chunks]
    parts = zip(hidden.split(lengths), pooled.split(lengths), strict=True)
    return [(tokens.flatten(0, 1), vectors[0]) for tokens, vectors in parts]


def chunk_tokens(tokenizer: Any, text: str, window: int) -> list[list[int]]:
    """Token ids of ``text`` in chunks of exactly ``window``, each with its own start, end and padding.

    A chunk ends after a comma where there is one in its second half, so that phrases stay whole.
    """
    ids: list[int] = tokenizer(text, add_special_tokens=False, truncation=False, verbose=False).input_ids
    commas = set(tokenizer(",", add_special_tokens=False).input_ids)
    room = window - 2
    chunks: list[list[int]] = []
    while ids or not chunks:
        end = len(ids) if len(ids) <= room else room
        if len(ids) > room:
            end = next((at for at in range(room, room // 2, -1) if ids[at - 1] in commas), room)
        chunk, ids = ids[:end], ids[end:]
        padding = [tokenizer.pad_token_id] * (room - len(chunk))
        chunks.append([tokenizer.bos_token_id, *chunk, tokenizer.eos_token_id, *padding])
    return chunks


def stack_texts(features: Sequence[TextFeatures]) -> tuple[Tensor, Tensor | None]:
    """Texts of different lengths as one batch.

    Returns:
        Tokens [n, longest, width], and a mask [n, longest] with 1 at real tokens, so that a text's picture does not
        depend on its neighbours' lengths; ``None`` if all are equally long.
    """
    lengths = [item.tokens.shape[0] for item in features]
    tokens = torch.nn.utils.rnn.pad_sequence([item.tokens for item in features], batch_first=True)
    if len(set(lengths)) == 1:
        return tokens, None
    place = torch.arange(tokens.shape[1], device=tokens.device)
    return tokens, (place[None] < torch.tensor(lengths, device=tokens.device)[:, None]).to(tokens.dtype)


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
        with on_device(self._bundle.image_encoder, self._bundle.device, self._bundle.plan.encoders_away):
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
