"""FLUX.2 klein as a painter: scenes and personas become words and references, and those become pictures."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from cachetools import LRUCache
from PIL import Image
from torch import Tensor
from torch.nn import functional

from brief.prompts import portrait_prompt, take_prompt
from brief.types import Persona
from generation.bundle.card import BundleCard
from generation.bundle.memory import on_device
from generation.counts import Counts
from generation.painter import Repaint
from generation.painters.flux2_klein.denoise import Sample, denoise
from generation.painters.flux2_klein.load import PATCH, TEXT_LAYERS, Klein, load_klein
from generation.painters.pixels import NotFinite, to_images, to_tensor
from generation.scene.scene import Scene

_WORDS = 512
"""Tokens of a text, padded, as the pipelines give them to the transformer."""
_LARGEST = 1024 * 1024
"""Pixels of a reference; a larger picture is shown smaller, as the pipelines show it."""
_CACHED_TEXTS, _CACHED_PICTURES = 64, 128


@dataclass(frozen=True, slots=True)
class Flux2Klein:
    """Implements :class:`generation.painter.Painter` for the family "flux2-klein".

    The model reads pictures as it reads words: a scene's collage (the place with the product at its place), the
    portrait, and the product on white. What the recipe keeps is put back after each step, as for Stable Diffusion.
    It is distilled, so guidance and negative words have no effect.
    """

    klein: Klein
    texts: LRUCache[str, Tensor] = field(default_factory=lambda: LRUCache(_CACHED_TEXTS))
    pictures: LRUCache[str, Tensor] = field(default_factory=lambda: LRUCache(_CACHED_PICTURES))

    @classmethod
    def open(cls, folder: Path, device: str | None = None) -> Flux2Klein:
        """The bundle in ``folder``; see :func:`generation.painters.flux2_klein.load.load_klein` for errors."""
        return cls(load_klein(folder, device))

    @property
    def card(self) -> BundleCard:
        return self.klein.card

    @property
    def device(self) -> torch.device:
        return self.klein.device

    @property
    def counts(self) -> Counts:
        return self.klein.counts

    @property
    def hint(self) -> str | None:
        """It draws the whole picture; what is kept is the recipe's to say."""
        return None

    @property
    def most(self) -> int:
        return self.klein.plan.batch

    @property
    def size_step(self) -> int:
        return self.klein.token_size

    def portraits(self, personas: Sequence[Persona]) -> list[Image.Image]:
        """One portrait per persona, of the bundle's own size, from words alone."""
        latent = (self.card.height // self.size_step, self.card.width // self.size_step)
        steps = self.card.recipe_for("standard").steps
        texts = [self.read(portrait_prompt(persona.face, self.card.words)) for persona in personas]
        pairs = zip(personas, texts, strict=True)
        return self.draw([Sample(latent, text, (), persona.seed, steps) for persona, text in pairs])

    def compose(self, scenes: Sequence[Scene]) -> list[Image.Image]:
        """Each scene by its words and references, and by what the recipe keeps."""
        return self.draw([self.sample(scene) for scene in scenes])

    def repaint(self, orders: Sequence[Repaint]) -> list[Image.Image]:
        """The last part of the steps once more, everywhere alike."""
        samples = []
        for order in orders:
            sample = self.sample(order.scene)
            keep = torch.full(sample.latent, 1 - min(1.0, order.strength))
            samples.append(replace(sample, start_from=self.look(order.picture), keep=keep))
        return self.draw(samples)

    def explain(self, scene: Scene) -> tuple[Image.Image, Mapping[str, Tensor]]:
        """Its references are read together with the words, so that no share is any one's own."""
        raise ValueError("models of family 'flux2-klein' have no adapters, so nothing tells which reference drew what")

    def sample(self, scene: Scene) -> Sample:
        """``scene`` as the transformer is told it."""
        shot, collage = scene.material.shot, self.look(scene.collage)
        latent = (collage.shape[1], collage.shape[2])
        references = [scene.references[role][0] for role in ("face", "product") if role in scene.references]
        return Sample(
            latent=latent,
            text=self.read(asked(take_prompt(shot, scene.material.take), person="face" in scene.references)),
            references=(collage, *(self.look(_as_reference(image, self.size_step)) for image in references)),
            seed=scene.material.take.seed,
            steps=scene.recipe.steps,
            start_from=collage,
            keep=scene.regions.keep(scene.recipe, (latent[1], latent[0])),
        )

    def read(self, text: str) -> Tensor:
        """[512, width]: a text as the transformer reads it.

        Raises:
            ValueError: it is longer, of which the end would be lost: what says which reference shows what.
        """
        return self._remembered(self.texts, text, lambda: _read(self.klein, text))

    def look(self, picture: Image.Image) -> Tensor:
        """[channels, h, w]: normalised latents of a picture whose edges are multiples of :attr:`size_step`."""
        key = hashlib.sha256(repr((picture.mode, picture.size)).encode() + picture.tobytes()).hexdigest()
        return self._remembered(self.pictures, key, lambda: _encode(self.klein, picture))

    def _remembered(self, cache: LRUCache[str, Tensor], key: str, make: Callable[[], Tensor]) -> Tensor:
        if key not in cache:
            cache[key] = make()
        else:
            texts = cache is self.texts
            self.counts.text_hits += texts
            self.counts.image_hits += not texts
        return cache[key]

    def draw(self, samples: Sequence[Sample]) -> list[Image.Image]:
        """One picture per sample, in their order; those of one group share a batch."""
        groups: dict[object, list[int]] = defaultdict(list)
        for number, sample in enumerate(samples):
            groups[sample.group].append(number)
        pictures: dict[int, Image.Image] = {}
        for numbers in groups.values():
            drawn = denoise(self.klein, [samples[number] for number in numbers])
            pictures.update(zip(numbers, to_images(decode(self.klein, drawn)), strict=True))
        return [pictures[number] for number in range(len(samples))]


def asked(words: str, *, person: bool) -> str:
    """The shot's words, and which reference shows what: the model knows its references by their numbers."""
    shown = "Image 1 shows the place with the product where it stands: keep both as they are, and draw what is missing."
    face = " The person is the one in image 2, with the same face." if person else ""
    return f"{words}. {shown}{face} The product is the one in image {3 if person else 2}, its label unchanged."


def _as_reference(image: Image.Image, step: int) -> Image.Image:
    """``image`` as RGB, no larger than the models take, its edges multiples of ``step``."""
    scale = min(1.0, (_LARGEST / (image.width * image.height)) ** 0.5)
    width, height = (max(step, int(edge * scale) // step * step) for edge in image.size)
    return image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)


@torch.inference_mode()
def _read(klein: Klein, text: str) -> Tensor:
    asked_for = klein.tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    tokens = klein.tokenizer(asked_for, return_tensors="pt", padding="max_length", max_length=_WORDS)
    if (length := tokens.input_ids.shape[1]) > _WORDS:
        raise ValueError(
            f"the prompt has {length} tokens, and these models read {_WORDS}; shorten the campaign's words or the "
            f'descriptions: "{text[:60]}..."'
        )
    klein.counts.text_forwards += 1
    with on_device(klein.text_encoder, klein.device, klein.plan.encoders_away):
        output = klein.text_encoder(
            input_ids=tokens.input_ids.to(klein.device),
            attention_mask=tokens.attention_mask.to(klein.device),
            output_hidden_states=True,
            use_cache=False,
        )
    return torch.cat([output.hidden_states[layer][0] for layer in TEXT_LAYERS], dim=-1)


@torch.inference_mode()
def _encode(klein: Klein, picture: Image.Image) -> Tensor:
    vae = klein.vae
    klein.counts.image_forwards += 1
    with on_device(vae, klein.device, klein.plan.autoencoder_away):
        encoded = vae.encode((to_tensor([picture]) * 2 - 1).to(klein.device, vae.dtype)).latent_dist.mode()
    patches = functional.pixel_unshuffle(encoded.float(), PATCH)
    mean, spread = _statistics(klein, patches)
    return ((patches - mean) / spread)[0]


@torch.inference_mode()
def decode(klein: Klein, latents: Tensor) -> Tensor:
    """Normalised latents as pixels, float32 [n, 3, height, width] in 0 to 1, one picture at a time.

    Raises:
        NotFinite: a picture has values that are no numbers.
    """
    mean, spread = _statistics(klein, latents)
    raw = functional.pixel_shuffle(latents * spread + mean, PATCH)
    vae = klein.vae
    with on_device(vae, klein.device, klein.plan.autoencoder_away):
        decoded = [vae.decode(one.to(vae.dtype), return_dict=False)[0].float() / 2 + 0.5 for one in raw.split(1)]
    pixels = torch.cat(decoded)
    if not bool(torch.isfinite(pixels).all()):
        raise NotFinite("the models drew values that are no numbers; use another seed, or a card with bfloat16")
    return pixels.clamp(0, 1)


def _statistics(klein: Klein, like: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and spread [1, channels, 1, 1] of latents, which the autoencoder carries as a batch norm."""
    norm = klein.vae.bn
    mean, variance = (value.to(like).view(1, -1, 1, 1) for value in (norm.running_mean, norm.running_var))
    return mean, (variance + klein.vae.config.batch_norm_eps).sqrt()
