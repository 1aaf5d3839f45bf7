"""What a bundle of the rendered world knows, on which scale its CLIP speaks, and from which score on a take is good.

Good takes are what the bundle draws; bad ones have planted defects (:mod:`training.evaluate.defects`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from torch.nn import functional

from brief.dimensions import DIMENSIONS
from brief.prompts import take_prompt
from brief.recipe import take
from brief.thresholds import Evidence, Labelled, thresholds_of
from brief.types import Measurements
from generation.bundle.card import hash_files, read_card, write_card
from generation.models import Models
from generation.scene.cutout import cut_out, on_white
from generation.scene.material import Material
from generation.score.domain import KINDS, make_domain, save_domain
from generation.score.scales import scale_of
from generation.score.scoring_models import Clip
from training.evaluate.cast import draw_cast, plan_shots
from training.evaluate.defects import NO_DEFECT, SHOWS, Finished, measure_all, plant
from training.evaluate.draw import draw_all_portraits
from training.workshop import DOMAIN
from training.world import pool
from training.world.picture import packshot_rgba, render_scenes
from training.world.scene import Scene

KNOWN, HELD_OUT = 96, 48
"""Pictures per kind that a domain keeps, and those by which its limits are set."""
_FOREIGN = 0.005
"""Share of the world's own held-out pictures that its domain may take for foreign."""


def calibrate(folder: Path, shots: int, seed: int = 0) -> dict[str, Evidence]:
    """Write domain, scales and thresholds of the bundle in ``folder``; returns how sure each threshold is."""
    _write_domain(folder)
    models = Models.open(folder)
    materials = materials_of(models, shots, seed)
    planted = plant(models, materials)
    _write_scales(folder, models, planted[NO_DEFECT])
    thresholds, evidence = thresholds_of(_labelled(measure_all(Models.open(folder), planted)))
    how: dict[str, str | float] = {
        "takes": shots,
        "how": "drawn takes against planted defects (python -m benchmarks evaluate --calibrate)",
    }
    card = read_card(folder)
    write_card(folder, replace(card, thresholds={**card.thresholds, **thresholds}, calibration=how))
    return evidence


def materials_of(models: Models, shots: int, seed: int) -> list[Material]:
    """First takes of held-out people, products and places; of many people, since what a face scores hangs on whose it
    is."""
    card = models.painter.card
    cast = draw_cast(max(2, shots // 2), max(2, shots // 4), seed, card.width)
    portraits = draw_all_portraits(models, cast.personas)
    return [
        Material(
            shot,
            take(shot.key, shot.seed, 1),
            packshot=cast.images[shot.product.packshot.sha256],
            photo=cast.images[shot.environment.photo.sha256],
            portrait=portraits[shot.persona.name] if shot.persona else None,
        )
        for shot in plan_shots(cast, card.info, shots, seed)
    ]


def _labelled(measured: Mapping[str, Sequence[Measurements]]) -> dict[str, Labelled]:
    """Per dimension that is scored, its values of good takes and of those whose defect shows in it first."""
    found = {}
    for name in (each.name for each in DIMENSIONS):
        planted = [measured[defect] for defect, shows in SHOWS.items() if shows[0] == name]
        good = _values(name, measured[NO_DEFECT])
        if len(set(good)) > 1:  # what is the same in all takes, as of products with true outlines, tells nothing
            found[name] = Labelled(good, tuple(value for each in planted for value in _values(name, each)))
    return found


def _values(name: str, takes: Sequence[Measurements]) -> tuple[float, ...]:
    return tuple(each.values[name] for each in takes if name in each.values)


def _write_scales(folder: Path, models: Models, finished: Sequence[Finished]) -> None:
    clip = models.scoring.clip
    words = (
        clip.words([take_prompt(each.scene.material.shot, each.scene.material.take) for each in finished])
        if clip
        else None
    )
    if clip is None or words is None:
        return
    seen = clip.images([each.picture for each in finished])
    likeness = (
        functional.normalize(torch.stack(seen).float().cpu(), dim=-1)
        @ functional.normalize(torch.stack(words).float().cpu(), dim=-1).T
    )
    matched = likeness.diagonal().numpy()
    others = likeness[~torch.eye(len(finished), dtype=torch.bool)].numpy()
    write_card(folder, replace(read_card(folder), scales={"prompt": scale_of(matched, others)}))


def _write_domain(folder: Path) -> None:
    """What the bundle's image encoder saw in training, and every word of its captions."""
    clip = Models.open(folder).scoring.clip
    if clip is None:
        return
    size = read_card(folder).width
    known = _embedded(clip, pool.Plan(seed=1, split="train"), KNOWN, size)
    held_out = _embedded(clip, pool.Plan(seed=2, split="held-out"), HELD_OUT, size)
    save_domain(make_domain(known, held_out, _words(folder), _FOREIGN), folder / DOMAIN)
    card = read_card(folder)
    write_card(folder, replace(card, scorers={**card.scorers, "domain": DOMAIN}, sha256=hash_files(folder)))


def _words(folder: Path) -> list[str]:
    """What the tokenizer, which learnt from the captions, holds as whole words."""
    vocabulary = json.loads((folder / "tokenizer" / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    return [token.removesuffix("</w>") for token in vocabulary if token.endswith("</w>") and token[:-4].isalpha()]


def _embedded(clip: Clip, plan: pool.Plan, count: int, size: int) -> dict[str, list[torch.Tensor]]:
    draw: dict[str, Callable[[int], Image.Image]] = {
        "product": lambda number: on_white(
            cut_out(Image.fromarray(packshot_rgba(pool.packshot(plan, number), 2 * size, 2))).image
        ),
        "place": lambda number: _rendered(pool.photo(plan, number), size),
        "portrait": lambda number: _rendered(pool.portrait(plan, pool.PORTRAITS_PER_PERSONA * number), size),
    }
    return {kind: clip.images([draw[kind](number) for number in range(count)]) for kind in KINDS}


def _rendered(scene: Scene, size: int) -> Image.Image:
    pixels, _ = render_scenes([scene], size)
    return Image.fromarray(pixels[0])
