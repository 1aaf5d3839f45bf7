"""Stable Diffusion as a painter: scenes and personas become samples, samples become pictures.

:class:`BundleClip` lends its encoders, with their caches, to the scores.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers import AutoencoderTiny
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from brief.prompts import face_prompt, portrait_negative, portrait_prompt, take_prompt
from brief.types import Persona
from generation.bundle.card import BundleCard
from generation.bundle.load import Bundle
from generation.counts import Counts
from generation.painter import Repaint
from generation.painters.pixels import to_images, to_tensor
from generation.painters.stable_diffusion.attribution import attribute
from generation.painters.stable_diffusion.denoise import denoise
from generation.painters.stable_diffusion.encoders import ImageEncoder, TextEncoder, adapter_inputs, averaged
from generation.painters.stable_diffusion.latents import (
    decode_latents,
    encode_images,
    encode_pixels,
)
from generation.painters.stable_diffusion.portrait_prior import (
    PortraitPrior,
    crisp,
    first_latents,
    load_portrait_prior,
)
from generation.painters.stable_diffusion.sample import Completion, Sample
from generation.scene.scene import Scene, put_back
from generation.vision.models import VisionModels
from generation.vision.portrait import face_crops

_FULL_GUIDANCE = 1.0
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class StableDiffusion:
    """Implements :class:`generation.painter.Painter` for the families "sd15" and "sdxl".

    Attributes:
        prior: from a casting sheet to the latents that a portrait begins with; ``None`` if the bundle has none.
        prior_decoder: from the prior's latents to pixels, where they are not the bundle's own latents; else ``None``.
        vision: finds the face that the face adapter is shown; ``None`` shows it the whole portrait.
    """

    bundle: Bundle
    texts: TextEncoder
    images: ImageEncoder
    prior: PortraitPrior | None
    prior_decoder: AutoencoderTiny | None
    vision: VisionModels | None

    @classmethod
    def of(cls, bundle: Bundle, vision: VisionModels | None = None) -> StableDiffusion:
        """A painter with empty caches on a loaded bundle."""
        prior, decoder = bundle.card.scorers.get("sketch"), bundle.card.scorers.get("sketch_decoder")
        return cls(
            bundle=bundle,
            texts=TextEncoder(bundle),
            images=ImageEncoder(bundle),
            prior=load_portrait_prior(bundle.folder / prior, bundle.device) if prior else None,
            prior_decoder=_prior_decoder(bundle, decoder) if decoder else None,
            vision=vision,
        )

    @property
    def card(self) -> BundleCard:
        return self.bundle.card

    @property
    def device(self) -> torch.device:
        return self.bundle.device

    @property
    def counts(self) -> Counts:
        return self.bundle.counts

    @property
    def hint(self) -> str | None:
        return self.bundle.hint

    @property
    def most(self) -> int:
        return self.bundle.plan.batch

    @property
    def size_step(self) -> int:
        """So that every level of the UNet halves evenly and masks stay in place."""
        levels = len(self.bundle.unet.config.block_out_channels)
        return int(self.bundle.scale_factor * 2 ** (levels - 1))

    def portraits(self, personas: Sequence[Persona]) -> list[Image.Image]:
        """One portrait per persona, of the bundle's own size.

        The features and the persona's seed decide it alone: no image prompt, no keep, guidance to the last step (a
        portrait is worth it: every shot of the persona refers to it). A bundle with a prior begins with its sketch.
        """
        recipe = self.card.recipe_for("standard")
        size = (self.card.width, self.card.height)
        latent = (size[1] // self.bundle.scale_factor, size[0] // self.bundle.scale_factor)
        nothing = adapter_inputs(self.bundle, {role: self.images.nothing() for role in self.bundle.roles})
        samples = [
            Sample(
                size=size,
                text=text,
                negative=self.texts.negative(portrait_negative(persona.face, self.card.words)),
                images=nothing,
                no_images=nothing,
                masks={role: torch.zeros(latent) for role in self.bundle.roles},
                seed=persona.seed,
                steps=recipe.steps,
                guidance=recipe.guidance,
                guidance_until=_FULL_GUIDANCE,
                reference=begun,
                keep=None if self.prior is None else torch.full(latent, self.prior.config.keep),
                completion=self._blank_page(size, begun),
            )
            for persona, text, begun in zip(
                personas,
                self.texts.encode([portrait_prompt(persona.face, self.card.words) for persona in personas]),
                self.portrait_priors(personas),
                strict=True,
            )
        ]
        return self.draw(samples)

    def _blank_page(self, size: tuple[int, int], begun: Tensor | None) -> Completion | None:
        """For a UNet that completes pictures: everything is to be drawn, from what has been begun if there is any."""
        if not self.bundle.completes:
            return None
        page = self._completion(torch.ones(size[1], size[0]), Image.new("RGB", size, "grey"))
        return page if begun is None or self.bundle.hint != "figure" else replace(page, hint=begun.float())

    def portrait_priors(self, personas: Sequence[Persona]) -> Sequence[Tensor | None]:
        """Scaled latents that each portrait begins with; ``None`` where the bundle has no prior."""
        if self.prior is None:
            return [None] * len(personas)
        faces, seeds = [persona.face for persona in personas], [persona.seed for persona in personas]
        begun = first_latents(self.prior, faces, seeds).to(self.bundle.device, self.bundle.dtype)
        if self.prior_decoder is not None:
            with torch.inference_mode():
                drawn = to_images(self.prior_decoder.decode(begun).sample / 2 + 0.5)
            begun = encode_images(self.bundle, [crisp(portrait) for portrait in drawn]).to(self.bundle.dtype)
        return list(begun)

    def compose(self, scenes: Sequence[Scene]) -> list[Image.Image]:
        """Each scene by its words, by the adapter of each role in its own region, and by what the recipe keeps."""
        return self.draw(self.samples(scenes))

    def repaint(self, orders: Sequence[Repaint]) -> list[Image.Image]:
        """The last part of the steps once more, everywhere alike."""
        samples = self.samples([order.scene for order in orders])
        return self.draw([self._again(sample, order) for sample, order in zip(samples, orders, strict=True)])

    def _again(self, sample: Sample, order: Repaint) -> Sample:
        """``sample`` from where the last part of its steps begins, on the picture that is drawn over."""
        reference = encode_images(self.bundle, [order.picture])[0]
        keep = torch.full(reference.shape[1:], 1 - min(1.0, order.strength))
        again = replace(sample, size=order.picture.size, reference=reference, keep=keep)
        return self._of_face(again, order) if order.face_only else again

    def _of_face(self, sample: Sample, order: Repaint) -> Sample:
        """``sample`` with words and adapter of the person alone, everywhere alike."""
        persona, strength = order.scene.material.shot.persona, order.scene.recipe.face_strength
        latent = (order.picture.height // self.bundle.scale_factor, order.picture.width // self.bundle.scale_factor)
        everywhere = torch.ones(order.picture.height, order.picture.width)
        return replace(
            sample,
            text=self.texts.encode([face_prompt(persona.face, self.card.words)])[0] if persona else sample.text,
            masks={role: torch.full(latent, strength if role == "face" else 0.0) for role in self.bundle.roles},
            completion=self._completion(everywhere, order.picture) if self.bundle.completes else None,
        )

    def explain(self, scene: Scene) -> tuple[Image.Image, Mapping[str, Tensor]]:
        """The picture once more, watched as it is drawn (:mod:`generation.painters.stable_diffusion.attribution`)."""
        pictures, maps = attribute(self.bundle, self.samples([scene]))
        shown = {role: share for role, share in maps[0].items() if role in scene.references}
        return put_back(pictures[0], scene), shown

    def samples(self, scenes: Sequence[Scene]) -> list[Sample]:
        """Encode words and images of ``scenes``, all in one batch each."""
        texts = self.texts.encode([take_prompt(scene.material.shot, scene.material.take) for scene in scenes])
        shown = [self.shown(scene) for scene in scenes]
        pictures = [image for references in shown for images in references.values() for image in images]
        found = iter(self.images.encode(pictures))
        nothing = {role: self.images.nothing() for role in self.bundle.roles}
        blank = adapter_inputs(self.bundle, nothing)
        samples = []
        for scene, text, references in zip(scenes, texts, shown, strict=True):
            recipe, shot = scene.recipe, scene.material.shot
            latent = (scene.size[0] // self.bundle.scale_factor, scene.size[1] // self.bundle.scale_factor)
            masks = scene.regions.masks(recipe, latent)
            features = {role: averaged([next(found) for _ in images]) for role, images in references.items()}
            samples.append(
                Sample(
                    size=scene.size,
                    text=text,
                    negative=self.texts.negative(shot.negative),
                    images=adapter_inputs(self.bundle, {**nothing, **features}),
                    no_images=blank,
                    masks={role: masks[role] for role in self.bundle.roles},
                    seed=scene.material.take.seed,
                    steps=recipe.steps,
                    guidance=recipe.guidance,
                    guidance_until=recipe.guidance_until,
                    **self._around(scene, latent),
                )
            )
        return samples

    def _around(self, scene: Scene, latent: tuple[int, int]) -> dict[str, Any]:
        """What is there already: for a UNet that completes pictures, or to be put back after each step."""
        if self.bundle.completes:
            return {"completion": self._completion(scene.drawn, scene.collage)}
        keep = scene.regions.keep(scene.recipe, latent)
        if not bool(keep.any()):
            return {}
        return {"reference": encode_images(self.bundle, [scene.collage])[0], "keep": keep}

    def _completion(self, drawn: Tensor, collage: Image.Image) -> Completion:
        """``collage`` as the UNet is shown it that draws where ``drawn`` [height, width] says."""
        height, width = (edge // self.bundle.scale_factor for edge in drawn.shape)
        if self.bundle.hint == "figure":
            draw = functional.adaptive_avg_pool2d(drawn[None, None], (height, width))
            return Completion(draw[0, 0], encode_images(self.bundle, [collage])[0])
        # Like the published checkpoints' training and pipelines: all or nothing, and mid-grey where it draws.
        mask = (drawn[None, None] >= _HALF).float()
        pixels = to_tensor([collage]) * (1 - mask) + _HALF * mask
        return Completion(
            functional.interpolate(mask, size=(height, width))[0, 0], encode_pixels(self.bundle, pixels)[0]
        )

    def shown(self, scene: Scene) -> dict[str, Sequence[Image.Image]]:
        """The references of each role that both the bundle and the scene have."""
        shown = {role: scene.references[role] for role in self.bundle.roles if role in scene.references}
        if self.vision is not None and "face" in shown:
            # Published face adapters were trained on crops of faces; of a portrait they would also take the wall.
            faces = self.vision.faces
            shown["face"] = [crop for portrait in shown["face"] for crop in face_crops(faces, portrait)]
        return shown

    def draw(self, samples: Sequence[Sample]) -> list[Image.Image]:
        """One picture per sample, in their order; those of one group share a batch."""
        groups: dict[object, list[int]] = defaultdict(list)
        for number, sample in enumerate(samples):
            groups[sample.group].append(number)
        pictures: dict[int, Image.Image] = {}
        for numbers in groups.values():
            drawn = denoise(self.bundle, [samples[number] for number in numbers])
            pictures.update(zip(numbers, to_images(decode_latents(self.bundle, drawn)), strict=True))
        return [pictures[number] for number in range(len(samples))]


def _prior_decoder(bundle: Bundle, folder: str) -> AutoencoderTiny:
    decoder: AutoencoderTiny = AutoencoderTiny.from_pretrained(
        bundle.folder / folder, use_safetensors=True, local_files_only=True, dtype=bundle.dtype
    )
    return decoder.eval().requires_grad_(False).to(bundle.device)


@dataclass(frozen=True, slots=True)
class BundleClip:
    """Implements :class:`generation.score.scoring_models.Clip` with the encoders that ``painter`` draws with.

    Attributes:
        projection: [projection, text width], from the text encoder into the image encoder's space; ``None`` if the two
            were not trained together.
    """

    painter: StableDiffusion
    projection: Tensor | None

    @classmethod
    def of(cls, painter: StableDiffusion) -> BundleClip:
        """With the projection that the bundle's card names."""
        file = painter.card.scorers.get("text_projection")
        if file is None:
            return cls(painter, None)
        return cls(painter, load_file(painter.bundle.folder / file)["weight"].to(painter.device))

    def images(self, images: Sequence[Image.Image]) -> list[Tensor]:
        return [found.pooled for found in self.painter.images.encode(images)]

    def words(self, texts: Sequence[str]) -> list[Tensor] | None:
        if self.projection is None:
            return None
        found = self.painter.texts.encode(texts)
        return [functional.linear(text.pooled.to(self.projection), self.projection) for text in found]
