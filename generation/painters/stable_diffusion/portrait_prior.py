"""A first sketch of a portrait from the casting sheet itself: chosen features and a seed to latents, in one pass.

A small diffusion model needs far more training than a CPU gives before it draws a face from words alone. This net
(``[scorers] sketch`` of a bundle) learns the easier half, where everything is and what colour it has, and the denoising
loop draws from there, as in SDEdit (Meng et al., 2022, arXiv:2108.01073). Free text has no part in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageFilter
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from brief.face_spec import FaceSpec
from generation.vision.models import shipped

Value = str | int | bool
_GROUPS = 8
_SHARPENED = (1.2, 150, 0)
"""Radius in pixels, per cent, threshold."""
_DECIDING, _DECIDES = ("gender_expression", "hair_style", "facial_hair", "glasses"), 4
"""Features that others hang on: only somebody with glasses can lend a colour of glasses."""


@dataclass(frozen=True, slots=True)
class PortraitPriorConfig:
    """Shape of the net and what it is fed.

    Attributes:
        width: of the layers that read the inputs.
        channels: of the convolutions that draw; a multiple of 8.
        blocks: how many of them draw at full size.
        fields: the features it knows and their values.
        bones: how many numbers drawn from the seed shape a face beyond its features.
        views: per head pose the numbers that describe turn of the head and light.
        shape: channels, height and width of the latents; height and width are even.
        donors: plausible full casting sheets, from which features are taken that were not chosen.
        keep: share of the denoising steps that the sketch stands for; the rest are drawn from there. At 1 the sketch
            is the portrait, which suits a UNet that cannot yet better it.
    """

    width: int
    channels: int
    blocks: int
    fields: Mapping[str, Sequence[Value]]
    bones: int
    views: Mapping[str, Sequence[float]]
    shape: Sequence[int]
    donors: Sequence[Mapping[str, Value]]
    keep: float = 1.0


class PortraitPrior(nn.Module):
    """Features, bones and view [n, inputs] to latents [n, channels, height, width].

    A map of half the size is read off the inputs, and residual blocks whose norms the inputs modulate draw on it: a
    generator by regression, as in Dosovitskiy et al., 2015 (arXiv:1411.5928).
    """

    def __init__(self, config: PortraitPriorConfig) -> None:
        super().__init__()
        self.config = config
        inputs = sum(map(len, config.fields.values())) + config.bones + len(next(iter(config.views.values())))
        width, channels = config.width, config.channels
        drawn, height, across = config.shape
        self.read = nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.lay_out = nn.Linear(width, channels * (height // 2) * (across // 2))
        self.coarse = _Block(channels, width)
        self.fine = nn.ModuleList(_Block(channels, width) for _ in range(config.blocks))
        self.drawn = nn.Sequential(nn.GroupNorm(_GROUPS, channels), nn.SiLU(), nn.Conv2d(channels, drawn, 3, padding=1))

    def forward(self, inputs: Tensor) -> Tensor:
        _, height, width = self.config.shape
        read = self.read(inputs)
        drawn = self.lay_out(read).view(-1, self.config.channels, height // 2, width // 2)
        drawn = functional.interpolate(self.coarse(drawn, read), scale_factor=2.0, mode="nearest")
        for block in self.fine:
            drawn = block(drawn, read)
        found: Tensor = self.drawn(drawn)
        return found


class _Block(nn.Module):
    """Two convolutions round which the picture passes; the first is scaled and shifted by what was read."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(width, 2 * channels)
        self.before = nn.GroupNorm(_GROUPS, channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.between = nn.GroupNorm(_GROUPS, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, drawn: Tensor, read: Tensor) -> Tensor:
        scale, shift = self.modulation(read)[:, :, None, None].chunk(2, dim=1)
        changed = self.first(functional.silu(self.before(drawn) * (1 + scale) + shift))
        found: Tensor = drawn + self.second(functional.silu(self.between(changed)))
        return found


def encode_features(config: PortraitPriorConfig, face: FaceSpec) -> Tensor:
    """One of n per feature, zeros where it is not chosen: [values]."""
    chosen = face.chosen()
    parts = [[float(chosen.get(name) == value) for value in values] for name, values in config.fields.items()]
    return torch.tensor([number for part in parts for number in part])


def completed(config: PortraitPriorConfig, face: FaceSpec, seed: int) -> FaceSpec:
    """``face`` with what was left open taken from the donor that agrees most with what was chosen; the seed decides
    among equals."""
    chosen = face.chosen()
    weight = {name: _DECIDES if name in _DECIDING else 1 for name in chosen}
    agreement = [
        sum(weight[name] for name, value in chosen.items() if donor.get(name) == value) for donor in config.donors
    ]
    best = [donor for donor, share in zip(config.donors, agreement, strict=True) if share == max(agreement)]
    donor = best[seed % len(best)]
    return FaceSpec.from_mapping({**donor, **chosen})


def bones_of(seed: int, count: int) -> Tensor:
    """The ``count`` numbers that shape the face of a persona with ``seed`` beyond its features."""
    return torch.randn(count, generator=torch.Generator().manual_seed(seed)).clamp(-2, 2)


@torch.inference_mode()
def first_latents(model: PortraitPrior, faces: Sequence[FaceSpec], seeds: Sequence[int]) -> Tensor:
    """Scaled latents [n, channels, height, width] of a portrait of each face."""
    rows = []
    for face, seed in zip(faces, seeds, strict=True):
        full = completed(model.config, face, seed)
        bones = bones_of(seed, model.config.bones)
        view = torch.tensor(model.config.views[full.head_pose or "front"])
        rows.append(torch.cat([encode_features(model.config, full), bones, view]))
    found: Tensor = model(torch.stack(rows).to(next(model.parameters())))
    return found


def crisp(portrait: Image.Image) -> Image.Image:
    """What a prior by regression draws, with the edges that such a net leaves soft: half of it drawn finer, and all of
    it sharpened."""
    finer = shipped().upscaler.upscale(portrait).resize(portrait.size, Image.Resampling.LANCZOS)
    return Image.blend(portrait, finer, 0.5).filter(ImageFilter.UnsharpMask(*_SHARPENED))


def save_portrait_prior(model: PortraitPrior, folder: Path) -> None:
    """Write ``config.json`` and ``model.safetensors`` (float16)."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {field.name: getattr(model.config, field.name) for field in fields(model.config)}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    weights = {name: value.detach().half().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors")


def load_portrait_prior(folder: Path, device: str | torch.device = "cpu") -> PortraitPrior:
    """The net that :func:`save_portrait_prior` wrote."""
    values: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    model = PortraitPrior(PortraitPriorConfig(**values))
    model.load_state_dict({name: value.float() for name, value in load_file(folder / "model.safetensors").items()})
    return model.eval().requires_grad_(False).to(device)
