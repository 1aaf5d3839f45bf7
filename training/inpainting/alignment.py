"""What a drawn picture has to be read as, beside being near to its rendering: the same face, the same product.

A pixel's error says little about a face that is drawn after its adapter alone: the mean of all faces that could be
meant has the least of it, and is nobody. So the bundle's own face reader and image encoder look too, frozen, and what
they see in the drawn picture is drawn towards what they see in the rendering (a face) and in the packshot (a product).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from brief.types import Framing
from generation.bundle.patches import PatchAutoencoder
from generation.scene.cutout import FILLED
from generation.scene.layout import LAYOUTS
from generation.score.face_reader import EDGE, FaceReader
from generation.score.likeness import square_around
from training.clip import normalised
from training.faces import face_error
from training.inpainting.batches import Batch

_SHIFT = 3
"""Pixels by which a face is looked at aside, so that no pattern pays that a reader sees at one place only."""
_APART, _TEMPERATURE = 0.3, 0.1
"""What it weighs that a product is told apart from the others of a batch, and how sharply."""


class Alignment:
    """The frozen onlookers of a training run, and how far what is drawn is from what they should see.

    Args:
        encoder: CLIP vision with a projection, as the bundle has it.
    """

    def __init__(self, reader: FaceReader, encoder: Any, patches: PatchAutoencoder, device: torch.device) -> None:
        self.reader = reader.to(device).eval().requires_grad_(False)
        self.encoder = encoder.to(device).eval().requires_grad_(False)
        self.patches, self.edge = patches.to(device), encoder.config.image_size

    def errors(self, found: Tensor, told: Batch) -> tuple[Tensor, Tensor]:
        """Of faces and of products that are drawn, each a scalar; 0 where a batch has none."""
        drawn = torch.lerp(told.hint, found, told.mask)
        pixels, real = (self.patches.decode(latents)[0] for latents in (drawn, told.target))
        return self._of_faces(pixels, real, told), self._of_products(pixels, told)

    def _of_faces(self, pixels: Tensor, real: Tensor, told: Batch) -> Tensor:
        rows = told.person.nonzero()[:, 0]
        if not len(rows):
            return pixels.sum() * 0
        shifts = torch.randint(-_SHIFT, _SHIFT + 1, (len(rows), 2)).tolist()
        places = list(zip(rows.tolist(), told.framing[rows].tolist(), told.turned[rows].tolist(), shifts, strict=True))
        return face_error(self.reader, _faces(pixels, places), _faces(real, places))

    def _of_products(self, pixels: Tensor, told: Batch) -> Tensor:
        rows = told.hidden.nonzero()[:, 0].tolist()
        if not rows:
            return pixels.sum() * 0
        seen = self._embedded(pixels, told.product, rows)
        with torch.no_grad():
            every = self._embedded(told.thing, told.product, list(range(len(pixels))))
        right = torch.tensor(rows, device=pixels.device)
        return (1 - (seen * every[right]).sum(1)).mean() + _APART * functional.cross_entropy(
            seen @ every.T / _TEMPERATURE, right
        )

    def _embedded(self, pixels: Tensor, alpha: Tensor, rows: list[int]) -> Tensor:
        """Unit embeddings of products, cut out on white as packshots are."""
        shown = torch.cat([_on_white(pixels[row], alpha[row], self.edge) for row in rows])
        return functional.normalize(self.encoder(normalised(shown)).image_embeds.float(), dim=1)


def _faces(pixels: Tensor, places: list[tuple[int, int, bool, list[int]]]) -> Tensor:
    """Square crops [n, 3, 64, 64] in 0 to 1 at the faces of rows in (framing, mirrored), a little aside."""
    found = []
    size = (pixels.shape[3], pixels.shape[2])
    for row, framing, turned, (right, down) in places:
        layout = LAYOUTS[list(Framing)[framing]]
        layout = layout.mirrored() if turned else layout
        if layout.face is None:
            raise ValueError("a framing without a person has no face to look at")
        box = layout.face.moved(right / size[0], down / size[1])
        first, top, last, bottom = square_around(box, size)
        crop = pixels[row : row + 1, :, top:bottom, first:last]
        found.append(functional.interpolate(crop, (EDGE, EDGE), mode="bicubic", antialias=True))
    return (torch.cat(found) / 2 + 0.5).clamp(0, 1)


def _on_white(pixels: Tensor, alpha: Tensor, edge: int) -> Tensor:
    """[1, 3, edge, edge] in -1 to 1: what is under ``alpha`` [1, S, S], in the middle of white."""
    whole = torch.lerp(torch.ones_like(pixels), pixels, alpha)
    rows, columns = (alpha[0] > 0).any(1).nonzero()[:, 0], (alpha[0] > 0).any(0).nonzero()[:, 0]
    crop = whole[:, int(rows[0]) : int(rows[-1]) + 1, int(columns[0]) : int(columns[-1]) + 1]
    side = round(max(crop.shape[1:]) / FILLED)
    above, aside = (side - crop.shape[1]) // 2, (side - crop.shape[2]) // 2
    padding = (aside, side - crop.shape[2] - aside, above, side - crop.shape[1] - above)
    square = functional.pad(crop[None], padding, value=1.0)
    return functional.interpolate(square, (edge, edge), mode="bicubic", antialias=True)
