"""Stage 3: the portrait's first sketch, from features, bones and view to latents, by plain regression."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderTiny
from torch import Tensor, nn

from generation.sketch import Sketch, SketchConfig, encode_features
from training.corpus import CASTING, PORTRAIT, Corpus
from training.device import Device
from training.faces import FIELDS
from training.latents import channel_weights, encode_corpus
from training.loop import Losses, Models, Schedule, train
from training.sheets import save_sheet
from training.sizes import Sizes
from training.world.kernels import params as p
from training.world.personas import IDENTITY_SIZE, captioned
from training.world.scene import POSES, STUDIO, Scene, scene_params

_VIEW = (p.YAW, p.PITCH, p.TILT, p.KEY_AZIMUTH, p.KEY_ELEVATION)
_LEVEL = (0.01, 0.0, 0.7, 0.7)
"""Pitch, tilt and light of the view that is asked for: the middle of what scenes have, the light from one side."""
_DONORS = 160
_BATCH = 128
_NOISE = 0.2


def make_sketch(sizes: Sizes, corpus: Corpus) -> Sketch:
    """A new net; donors come from the corpus's castings."""
    rows = corpus.rows(CASTING).tolist()
    views = {pose: [(low + high) / 2, *_LEVEL] for pose, (low, high) in POSES.items()}
    people = [corpus.scenes[row].persona for row in rows[:_DONORS]]
    donors = [captioned(person.face).chosen() for person in people if person]
    edge = sizes.latent_edge
    shape = (sizes.latent_channels, edge, edge)
    return Sketch(SketchConfig(sizes.sketch, sizes.strokes, FIELDS, IDENTITY_SIZE, views, shape, donors))


def _view(scene: Scene) -> Tensor:
    return torch.tensor(scene_params(scene)[list(_VIEW)]).float()


def sketch_inputs(config: SketchConfig, corpus: Corpus, rows: Tensor) -> Tensor:
    """[rows, inputs]: features, bones and view of pictures with a person."""
    found = []
    for row in rows.tolist():
        scene = corpus.scenes[row]
        if scene.persona is None:
            raise ValueError(f"picture {row} shows nobody")
        bones = torch.as_tensor(scene.persona.identity).float()
        found.append(torch.cat([encode_features(config, captioned(scene.persona.face)), bones, _view(scene)]))
    return torch.stack(found)


def studio_rows(corpus: Corpus) -> Tensor:
    """Pictures of one person in the studio."""
    rows = corpus.rows(CASTING, PORTRAIT).tolist()
    return torch.tensor([row for row in rows if corpus.scenes[row].place == STUDIO])


def train_sketch(
    model: Sketch,
    corpus: Corpus,
    held_out: Corpus,
    vae: AutoencoderTiny,
    device: Device,
    folder: Path,
    minutes: float,
    *,
    fresh: bool,
) -> None:
    """Train on studio portraits; the error of each latent channel weighs as much as it shows."""
    rows = studio_rows(corpus)
    every = encode_corpus(vae, corpus, device, folder.parent / "latents")
    latents = every[rows].float().to(device.torch)
    weights = channel_weights(vae, every, device).to(device.torch)
    straight = sketch_inputs(model.config, corpus, rows)
    inputs = torch.stack([straight, _mirrored(model.config, straight)], 1).to(device.torch)
    if fresh:
        _begin_with_components(model, latents.flatten(0, 1), weights)
    continuous = (torch.arange(inputs.shape[-1]) >= sum(map(len, FIELDS.values()))).float().to(device.torch)
    test = studio_rows(held_out)[:8]
    asked = sketch_inputs(model.config, held_out, test).to(device.torch)

    def losses(models: Models) -> Losses:
        at, turned = torch.randint(len(rows), (_BATCH,)), torch.randint(2, (_BATCH,))
        asked = inputs[at, turned]
        # Bones and view are told a little wrongly, or the net would know every person by them.
        asked = asked + _NOISE * torch.randn_like(asked) * continuous
        loss = ((models["sketch"](asked) - latents[at, turned]).square() * weights).mean()
        return {"loss": loss}

    def look(models: Models) -> None:
        drawn = vae.to(device.torch).decode(models["sketch"](asked) / vae.config.scaling_factor).sample
        save_sheet(torch.cat([held_out.pixels(test).to(drawn), drawn]) / 2 + 0.5, 8, folder / "sketches.png")

    models = nn.ModuleDict({"sketch": model}).to(device.torch)
    schedule = Schedule(minutes, _BATCH, rate=1.5e-3, mean=0.995, weight_decay=0.1)
    train("sketch", models, losses, schedule, device, folder, look)


def _mirrored(config: SketchConfig, inputs: Tensor) -> Tensor:
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
def _begin_with_components(model: Sketch, latents: Tensor, weights: Tensor) -> None:
    """The strokes begin as the portraits' principal components, so that only their strengths must be learnt."""
    scale = weights.expand(latents.shape[1:]).flatten().sqrt()
    mean = latents.flatten(1).mean(0)
    seen = (latents.flatten(1) - mean) * scale
    _, _, strokes = torch.svd_lowrank(seen, q=model.config.strokes, niter=3)
    deviation = (seen @ strokes).std()
    model.drawn.bias.copy_(mean)
    model.drawn.weight.copy_(strokes * deviation / scale[:, None])
