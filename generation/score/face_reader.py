"""Reads a face: which features of the casting sheet it shows, and whose it is.

A small convolutional net of the bundle's own (``[scorers] face_reader``), trained on the world that the bundle draws.
It says nothing about photographs of real people.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from brief.face_spec import FaceSpec
from generation.painters.pixels import to_tensor

EDGE = 64
"""Edge in pixels of the square face crops that the net sees."""

Value = str | int | bool


@dataclass(frozen=True, slots=True)
class ReaderConfig:
    """Shape of the net.

    Attributes:
        widths: channels per stage; each stage halves the edge.
        identity: length of the identity vector.
        fields: the features it reads and their values.
        accuracy: share of held-out renderings on which each feature was read rightly.
    """

    widths: tuple[int, ...]
    identity: int
    fields: Mapping[str, Sequence[Value]]
    accuracy: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """``shares``: per feature the probability of each value. ``identity``: unit vector, float32."""

    shares: Mapping[str, Mapping[Value, float]]
    identity: Tensor

    def best(self, field: str) -> Value:
        """The most probable value of a feature."""
        shares = self.shares[field]
        return max(shares, key=lambda value: shares[value])


class FaceReader(nn.Module):
    """Convolutions with group norm, average over the picture, one linear head per task."""

    def __init__(self, config: ReaderConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        before = 3
        for width in config.widths:
            layers += [_Stage(before, width)]
            before = width
        self.body = nn.Sequential(*layers)
        # A face is read by place: mouth below, hair above. So the last map is kept, not averaged away.
        size = before * (EDGE >> len(config.widths)) ** 2
        self.joined = nn.Sequential(nn.Flatten(), nn.Linear(size, 2 * before), nn.SiLU())
        self.features = nn.Linear(2 * before, sum(len(values) for values in config.fields.values()))
        self.identity = nn.Linear(2 * before, config.identity)

    def forward(self, pixels: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Face crops [n, 3, 64, 64] in 0 to 1: logits per field [n, values], unit identity vectors [n, identity]."""
        found = self.joined(self.body(pixels * 2 - 1))
        sizes = [len(values) for values in self.config.fields.values()]
        logits = self.features(found).float().split(sizes, dim=1)
        identity = functional.normalize(self.identity(found).float(), dim=1)
        return dict(zip(self.config.fields, logits, strict=True)), identity


class _Stage(nn.Module):
    """Halves the edge, then one residual block."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(before, width, 3, stride=2, padding=1)
        self.first = nn.Sequential(nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1))
        self.second = nn.Sequential(nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1))

    def forward(self, inputs: Tensor) -> Tensor:
        halved = self.down(inputs)
        found: Tensor = halved + self.second(self.first(halved))
        return found


def save_reader(reader: FaceReader, folder: Path) -> None:
    """Write ``config.json`` and ``model.safetensors`` (float16)."""
    folder.mkdir(parents=True, exist_ok=True)
    config = reader.config
    values = {
        "widths": config.widths,
        "identity": config.identity,
        "fields": {name: list(values) for name, values in config.fields.items()},
        "accuracy": {name: round(value, 4) for name, value in config.accuracy.items()},
    }
    (folder / "config.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    weights = {name: value.detach().half().contiguous() for name, value in reader.state_dict().items()}
    save_file(weights, folder / "model.safetensors")


def load_reader(folder: Path, device: str | torch.device = "cpu") -> FaceReader:
    """The reader that :func:`save_reader` wrote, ready to read."""
    values: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    reader = FaceReader(ReaderConfig(**{**values, "widths": tuple(values["widths"])}))
    reader.load_state_dict({name: value.float() for name, value in load_file(folder / "model.safetensors").items()})
    return reader.eval().requires_grad_(False).to(device)


@torch.inference_mode()
def read_faces(reader: FaceReader, faces: Sequence[Image.Image]) -> list[Reading]:
    """Read square crops that a head with its hair fills to about two thirds or more."""
    small = [face.convert("RGB").resize((EDGE, EDGE), Image.Resampling.BICUBIC) for face in faces]
    device = next(reader.parameters()).device
    logits, identities = reader(to_tensor(small).to(device))
    shares = {field: found.softmax(1).tolist() for field, found in logits.items()}
    return [
        Reading(
            {
                field: dict(zip(values, shares[field][row], strict=True))
                for field, values in reader.config.fields.items()
            },
            identity.cpu(),
        )
        for row, identity in enumerate(identities)
    ]


def same_person(one: Reading, other: Reading) -> float:
    """Cosine of two identity vectors; negative counts as 0."""
    return max(0.0, float(one.identity @ other.identity))


def agreement(reader: FaceReader, reading: Reading, face: FaceSpec, least_accuracy: float = 0.8) -> float | None:
    """How far a face shows the chosen features, 0 to 1: the mean over features of the asked value's probability,
    relative to the most probable one's.

    Features that the reader itself reads rightly on less than ``least_accuracy`` of renderings are left out; ``None``
    if no other was chosen.
    """
    found = []
    for field, value in face.chosen().items():
        if field in reading.shares and reader.config.accuracy.get(field, 0.0) >= least_accuracy:
            shares = reading.shares[field]
            found.append(shares[value] / max(shares.values()))
    return sum(found) / len(found) if found else None
