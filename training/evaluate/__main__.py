"""``python -m training.evaluate --bundle bundles/starter``: the table of measures, metrics.json and contact sheets."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image

from brief.types import Shot, Threshold
from generation.bundle.card import read_card, write_card
from generation.bundle.load import Bundle, load
from generation.models import Models
from generation.painters.pixels import to_tensor
from generation.painters.stable_diffusion.latents import decode_latents, encode_images
from generation.scene.scene import Scene
from generation.score.measure import measure
from training.device import find_device
from training.evaluate import measures
from training.evaluate.cast import Cast, TrueShot, draw_cast, plan_shots, true_shots
from training.evaluate.draw import (
    ANCHORS_OFF,
    DRAWN,
    blank_pages,
    draw_all_portraits,
    draw_shots,
    scenes_of,
    wordless,
)
from training.evaluate.report import Report
from training.evaluate.sheets import draw_portrait_sheet, draw_sheets

_ABLATIONS = {
    "all adapters": {},
    "face off": {"face_strength": 0.0},
    "product off": {"product_strength": 0.0},
    "environment off": {"environment_strength": 0.0},
}
_ACCEPT, _REVIEW = 0.15, 0.04
_HIGHEST = (0.9, 0.75)


def main() -> None:
    asked = _arguments()
    bundle = load(asked.bundle, find_device(asked.threads).torch)
    models = Models.of(bundle)
    card = models.painter.card
    cast = draw_cast(asked.personas, asked.products, asked.seed, card.width)
    shots = plan_shots(cast, card.info, asked.shots, asked.seed)
    report = Report(
        fingerprint=card.fingerprint,
        personas=asked.personas,
        products=asked.products,
        shots=len(shots),
        seed=asked.seed,
        portrait_seeds=[persona.seed for persona in cast.personas.values()],
        shot_seeds=[shot.seed for shot in shots],
    )
    portraits = draw_all_portraits(models, cast.personas)
    _judge_portraits(models, cast, portraits, report)
    scenes = scenes_of(models, shots, cast, portraits)
    pictures = draw_shots(models, scenes, paste=True, label="shots")
    report.shipped = _judge_shots(models, scenes, pictures, cast)
    _judge_people(models, scenes, pictures, true_shots(cast, shots), report)
    _calibrate(models, scenes, pictures, report)
    if models.painter.hint is None:
        report.drawn = _unpasted(models, shots, cast, portraits, DRAWN, "drawn")
    some = wordless(shots[: asked.ablation])
    for case, changes in _ABLATIONS.items() if some else ():
        report.ablation[case] = _unpasted(models, some, cast, portraits, {**ANCHORS_OFF, **changes}, case)
    report.adapters_only = dict(report.ablation.get("all adapters", {}))
    report.seconds_per_shot = _seconds_per_shot(bundle, shots[0], cast, portraits)
    report.psnr_db = _psnr(bundle, [*cast.rendered.values(), *cast.photos])
    report.save(asked.out / "metrics.json")
    draw_portrait_sheet(cast, portraits, asked.out)
    if asked.sheets:
        draw_sheets(models, cast, portraits, shots, asked.out)
    if asked.calibrate:
        _keep_thresholds(asked.bundle, report)
    (asked.out / "table.md").write_text(report.table() + "\n", encoding="utf-8")
    print(report.table())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("bundles/starter"))
    parser.add_argument("--out", type=Path, default=Path("bundles/starter-evaluation"))
    parser.add_argument("--personas", type=int, default=25)
    parser.add_argument("--products", type=int, default=50)
    parser.add_argument("--shots", type=int, default=500)
    parser.add_argument("--ablation", type=int, default=100, help="shots drawn again for each ablation; 0: none")
    parser.add_argument("--sheets", action=argparse.BooleanOptionalAction, default=True, help="contact sheets of shots")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="0: all cores")
    parser.add_argument("--calibrate", action="store_true", help="write the thresholds found into bundle.toml")
    return parser.parse_args()


def _judge_portraits(models: Models, cast: Cast, portraits: dict[str, Image.Image], report: Report) -> None:
    if models.scoring.face_reader is None:
        raise SystemExit("this bundle has no face reader, so nothing can be said about its faces")
    found = measures.measure_features(models.scoring.face_reader, cast.personas, portraits, cast.rendered)
    report.features = {
        "generated": found.generated,
        "rendered": found.rendered,
        "ratio": found.ratio,
        "per_field": {name: list(pair) for name, pair in found.per_field.items()},
    }


def _judge_people(
    models: Models,
    scenes: Sequence[Scene],
    pictures: Sequence[Image.Image],
    true: Sequence[TrueShot],
    report: Report,
) -> None:
    report.shipped |= measures.measure_people(models, scenes, pictures, true)
    report.collage = measures.measure_people(models, scenes, [scene.collage for scene in scenes], true)


def _judge_shots(
    models: Models, scenes: Sequence[Scene], pictures: Sequence[Image.Image], cast: Cast
) -> dict[str, float]:
    if models.scoring.face_reader is None:
        raise SystemExit("this bundle has no face reader, so nothing can be said about its faces")
    return {
        "identity_auc": measures.identity_auc(models.scoring.face_reader, scenes, pictures),
        "identity_to_portrait": measures.identity_to_portrait(models.scoring.face_reader, scenes, pictures),
        "product_top1": measures.product_retrieval(models, scenes, pictures, cast),
        "place_top1": measures.place_accuracy(models, scenes, pictures, cast),
    }


def _unpasted(
    models: Models,
    shots: Sequence[Shot],
    cast: Cast,
    portraits: dict[str, Image.Image],
    changes: dict[str, float],
    label: str,
) -> dict[str, float]:
    """The same measures where no original's pixels are put back, under ``changes`` of the recipe; a painter that
    completes pictures is shown nothing of them."""
    scenes = scenes_of(models, shots, cast, portraits, changes)
    if models.painter.hint is not None:
        scenes = blank_pages(scenes)
    return _judge_shots(models, scenes, draw_shots(models, scenes, paste=False, label=label), cast)


def _calibrate(models: Models, scenes: Sequence[Scene], pictures: Sequence[Image.Image], report: Report) -> None:
    """Cuts per dimension from what the bundle itself draws: its weakest pictures are looked at or taken again."""
    found: dict[str, list[float]] = {}
    for scene, picture in zip(scenes, pictures, strict=True):
        for name, value in measure(models.scoring, models.painter.card, scene, picture).values.items():
            found.setdefault(name, []).append(value)
    for name, values in found.items():
        accept, review = torch.tensor(values).quantile(torch.tensor([_ACCEPT, _REVIEW])).tolist()
        # What is pasted is always met exactly; a cut at 1 would refuse the least rounding.
        accept, review = min(accept, _HIGHEST[0]), min(review, _HIGHEST[1])
        report.scores[name] = {"mean": sum(values) / len(values), "accept": accept, "review": review}


def _keep_thresholds(folder: Path, report: Report) -> None:
    cuts = {
        name: Threshold(round(found["accept"], 3), round(found["review"], 3)) for name, found in report.scores.items()
    }
    how: dict[str, str | float] = {
        "takes": report.shots,
        "how": "quantiles of what the bundle draws (python -m training.evaluate --calibrate)",
    }
    write_card(folder, replace(read_card(folder), thresholds=cuts, calibration=how))


def _seconds_per_shot(bundle: Bundle, shot: Shot, cast: Cast, portraits: dict[str, Image.Image]) -> float:
    """One shot alone, nothing in the caches: encode, draw, decode. Nothing is kept, so that every step is run."""
    fresh = Models.of(bundle)
    start = time.perf_counter()
    draw_shots(fresh, scenes_of(fresh, [shot], cast, portraits, ANCHORS_OFF), paste=True, label="one shot")
    return time.perf_counter() - start


@torch.inference_mode()
def _psnr(bundle: Bundle, images: Sequence[Image.Image]) -> float:
    found = []
    for image in images:
        error = (decode_latents(bundle, encode_images(bundle, [image])).cpu() - to_tensor([image])).square()
        found.append(-10 * torch.log10(error.mean()))
    return float(torch.stack(found).mean())


if __name__ == "__main__":
    main()
