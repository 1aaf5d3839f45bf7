"""Face crops for the face reader: cut round the head with some slack, in changing light and sharpness."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from brief.face_spec import CHOICES
from generation.score.face_reader import EDGE, FaceReader, Value
from training.corpus import Corpus
from training.world.personas import captioned
from training.world.picture import FACE_IDS

FIELDS: dict[str, tuple[Value, ...]] = {
    **CHOICES,
    "skin_tone": tuple(range(1, 11)),
    "freckles": (False, True),
    "moles": (False, True),
}
_UNKNOWN = -100
_SLACK, _SHIFT = (1.0, 1.5), 0.12
_READING, _APART, _TEMPERATURE, _GRAIN = 0.5, 0.3, 0.1, 0.03
"""Of :func:`face_error`: what reading the right features weighs beside looking alike, and being told apart from the
others of a batch; how sharply those are told apart; noise over what is drawn, so that no pattern pays that only this
reader sees."""


def face_labels(corpus: Corpus, rows: Tensor) -> Tensor:
    """[rows, fields]: number of the value that is shown, -100 where a feature cannot be seen."""
    table = []
    for row in rows.tolist():
        persona = corpus.scenes[row].persona
        if persona is None:
            raise ValueError(f"picture {row} shows nobody")
        chosen = captioned(persona.face).chosen()
        table.append([values.index(chosen[name]) if name in chosen else _UNKNOWN for name, values in FIELDS.items()])
    return torch.tensor(table)


def crop_faces(corpus: Corpus, boxes: Tensor, rows: Tensor, *, vary: bool) -> Tensor:
    """[rows, 3, 64, 64] in 0 to 1: squares round the heads; with ``vary`` shifted, scaled, blurred and relit."""
    count = len(rows)
    edge = corpus.images.shape[1]
    box = boxes[rows].float() / edge * 2 - 1
    centre = (box[:, :2] + box[:, 2:]) / 2
    half = (box[:, 2:] - box[:, :2]).amax(1) / 2
    low, high = _SLACK
    half = half * (low + (high - low) * torch.rand(count) if vary else torch.full((count,), (low + high) / 2))
    if vary:
        centre = centre + _SHIFT * half[:, None] * (2 * torch.rand(count, 2) - 1)
    turn = torch.zeros(count, 2, 3)
    turn[:, 0, 0] = turn[:, 1, 1] = half
    turn[:, :, 2] = centre
    grid = functional.affine_grid(turn, [count, 3, EDGE, EDGE], align_corners=False)
    pixels = corpus.pixels(rows) / 2 + 0.5
    found = functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    return _relit(found) if vary else found


def face_error(reader: FaceReader, drawn: Tensor, real: Tensor) -> Tensor:
    """How far faces are from being read as their renderings are: features, and who it is. Crops [n, 3, 64, 64] in 0 to
    1, each beside its own rendering."""
    logits, identity = reader(drawn + _GRAIN * torch.randn_like(drawn))
    with torch.no_grad():
        wanted, real_identity = reader(real)
    read = [functional.cross_entropy(logits[name].float(), each.float().softmax(1)) for name, each in wanted.items()]
    right = torch.arange(len(identity), device=identity.device)
    apart = functional.cross_entropy(identity @ real_identity.T / _TEMPERATURE, right)
    alike: Tensor = (identity * real_identity).sum(1)
    return (1 - alike).mean() + _READING * torch.stack(read).mean() + _APART * apart


def _relit(pixels: Tensor) -> Tensor:
    count = len(pixels)
    gain = 1 + 0.12 * (2 * torch.rand(count, 3, 1, 1) - 1)
    soft = functional.avg_pool2d(pixels, 3, stride=1, padding=1, count_include_pad=False)
    mix = torch.rand(count, 1, 1, 1) * (torch.rand(count, 1, 1, 1) < 0.6)
    blurred = pixels + mix * (soft - pixels)
    return (blurred * gain + 0.02 * torch.randn_like(pixels)).clamp(0, 1)


def face_boxes(corpus: Corpus) -> Tensor:
    """Left, top, right, bottom in pixels of every head, hair included."""
    return corpus.boxes(FACE_IDS)
