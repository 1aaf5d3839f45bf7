"""Stage ``sketch``: the portrait's first sketch, from features, bones and view to latents, by plain regression."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from diffusers import AutoencoderTiny
from torch import Tensor, nn

from generation.painters.stable_diffusion.portrait_prior import PortraitPrior, PortraitPriorConfig, encode_features
from training.corpus import CASTING, PORTRAIT, Corpus
from training.device import Device
from training.faces import FIELDS
from training.latents import channel_weights, encode_corpus, region_weights
from training.loop import Losses, Models, Schedule, train
from training.peers import Peers
from training.sheets import save_sheet
from training.sizes import Sizes
from training.world.kernels import params as p
from training.world.personas import IDENTITY_SIZE, WorldPersona, captioned
from training.world.scene import POSES, STUDIO, Scene, scene_params

_VIEW = (p.YAW, p.PITCH, p.TILT, p.KEY_AZIMUTH, p.KEY_ELEVATION)
_LEVEL = (0.01, 0.0, 0.7, 0.7)
"""Pitch, tilt and light of the view that is asked for: the middle of what scenes have, the light from one side."""
_DONORS = 400
_SHOWN = 16
_BATCH = 32
_NOISE = 0.03
_FACE = 2.0
"""What a latent pixel of the face weighs above another: eyes and mouth are small, and all one knows a person by."""


def make_sketch(sizes: Sizes, corpus: Corpus) -> PortraitPrior:
    """A new net; donors come from the corpus's castings."""
    rows = corpus.rows(CASTING).tolist()
    views = {pose: [(low + high) / 2, *_LEVEL] for pose, (low, high) in POSES.items()}
    people = [corpus.scenes[row].persona for row in rows[:_DONORS]]
    donors = [captioned(person.face).chosen() for person in people if person]
    edge = sizes.latent_edge
    shape = (sizes.latent_channels, edge, edge)
    return PortraitPrior(
        PortraitPriorConfig(
            sizes.sketch, sizes.sketch_channels, sizes.sketch_blocks, FIELDS, IDENTITY_SIZE, views, shape, donors
        )
    )


def _view(scene: Scene) -> Tensor:
    return torch.tensor(scene_params(scene)[list(_VIEW)]).float()


def sketch_inputs(config: PortraitPriorConfig, corpus: Corpus, rows: Tensor) -> Tensor:
    """[rows, inputs]: features, bones and view of pictures with a person."""
    found = []
    for row in rows.tolist():
        scene = corpus.scenes[row]
        if scene.persona is None:
            raise ValueError(f"picture {row} shows nobody")
        bones = torch.as_tensor(scene.persona.identity).float()
        found.append(torch.cat([encode_features(config, captioned(scene.persona.face)), bones, _view(scene)]))
    return torch.stack(found)


@torch.inference_mode()
def prior_portraits(
    model: PortraitPrior, decoder: AutoencoderTiny, persons: Sequence[WorldPersona], views: Sequence[p.Params]
) -> npt.NDArray[np.uint8]:
    """What a bundle would begin with for ``persons``, uint8 [n, S, S, 3], turned and lit as the vectors ``views`` [P]
    say."""
    rows = []
    for person, view in zip(persons, views, strict=True):
        features, bones = encode_features(model.config, captioned(person.face)), torch.as_tensor(person.identity)
        rows.append(torch.cat([features, bones.float(), torch.as_tensor(view[list(_VIEW)]).float()]))
    pixels = decoder.decode(model(torch.stack(rows)) / decoder.config.scaling_factor).sample
    found: npt.NDArray[np.uint8] = ((pixels / 2 + 0.5).clamp(0, 1) * 255).byte().permute(0, 2, 3, 1).numpy()
    return found


def studio_rows(corpus: Corpus) -> Tensor:
    """Pictures of one person in the studio."""
    rows = corpus.rows(CASTING, PORTRAIT).tolist()
    return torch.tensor([row for row in rows if corpus.scenes[row].place == STUDIO])


def train_sketch(
    model: PortraitPrior,
    corpus: Corpus,
    held_out: Corpus,
    vae: AutoencoderTiny,
    device: Device,
    folder: Path,
    minutes: float,
    peers: Peers,
    *,
    fresh: bool,
) -> None:
    """Train on studio portraits; the error of each latent channel weighs as much as it shows.

    A studio portrait follows from features, bones and view without rest, so plain regression can be sharp.
    """
    rows = studio_rows(corpus)
    every = encode_corpus(vae, corpus, device, folder.parent / "latents")
    latents = every[rows]
    weights = channel_weights(vae, every, device) * region_weights(corpus, every.shape[-1], _FACE, 0.0)[rows]
    straight = sketch_inputs(model.config, corpus, rows)
    inputs = torch.stack([straight, _mirrored(model.config, straight)], 1)
    deviation = inputs.flatten(0, 1).std(0).clamp(min=0.05)
    if fresh:
        _begin(model, deviation, latents)
    wobble = _NOISE * deviation * (torch.arange(len(deviation)) >= sum(map(len, FIELDS.values())))

    def losses(models: Models) -> Losses:
        at, turned = torch.randint(len(rows), (_BATCH,)), torch.randint(2, (_BATCH,))
        # Bones and view are told a little wrongly, or the net would know every person by them.
        asked = inputs[at, turned] + wobble * torch.randn(_BATCH, len(wobble))
        wanted, weight = latents[at, turned].float().to(device.torch), weights[at, turned].to(device.torch)
        return {"loss": ((models["sketch"](asked.to(device.torch)) - wanted).square() * weight).mean()}

    models: Models = nn.ModuleDict({"sketch": model}).to(device.torch)
    models["sketch"].to(memory_format=torch.channels_last)
    schedule = Schedule(minutes, _BATCH, rate=2e-3, mean=0.998)
    train("sketch", models, losses, schedule, device, folder, _looker(held_out, vae, device, folder), peers)


def _looker(held_out: Corpus, vae: AutoencoderTiny, device: Device, folder: Path) -> Callable[[Models], None]:
    """Draws held-out castings next to their renderings whenever a checkpoint is written."""
    rows = studio_rows(held_out)[:_SHOWN]

    def look(models: Models) -> None:
        asked = sketch_inputs(models["sketch"].config, held_out, rows).to(device.torch)
        drawn = vae.to(device.torch).decode(models["sketch"](asked) / vae.config.scaling_factor).sample
        real = held_out.pixels(rows).to(drawn)
        print(f"held-out PSNR {float(-10 * torch.log10((drawn - real).square().mean() / 4)):.2f} dB", flush=True)
        save_sheet(torch.cat([real, drawn]) / 2 + 0.5, _SHOWN // 2, folder / "sketches.png")

    return look


def _mirrored(config: PortraitPriorConfig, inputs: Tensor) -> Tensor:
    """Inputs of the mirror images: the head's pose, turn and tilt and the light change sides."""
    left = 0
    for name, values in config.fields.items():
        if name == "head_pose":
            left += list(values).index("turned left")
            break
        left += len(values)
    found = inputs.clone()
    found[:, [left, left + 1]] = inputs[:, [left + 1, left]]
    first = inputs.shape[1] - len(_VIEW)
    found[:, [first + _VIEW.index(number) for number in (p.YAW, p.TILT, p.KEY_AZIMUTH)]] *= -1
    return found


@torch.no_grad()
def _begin(model: PortraitPrior, deviation: Tensor, latents: Tensor) -> None:
    """Inputs are read as if all varied alike, and the first sketch of everybody is the mean portrait's tint."""
    model.read[0].get_parameter("weight").div_(deviation * math.sqrt(len(deviation)))
    model.drawn[-1].get_parameter("bias").copy_(latents.float().mean((0, 1, 3, 4)))
