"""The bundle's CLIP as a judge: its encoders with their caches, lent to the scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from generation.painters.stable_diffusion.painter import StableDiffusion


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
