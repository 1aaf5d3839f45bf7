"""Completed collages of held-out shots beside their renderings: a table and a contact sheet.

The collage that each begins with is measured too: it is what a bundle shows that pastes its people. Product and place
are put back as at run time; nothing of a person is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from generation.score.face_reader import FaceReader
from training.clip import normalised
from training.inpainting import measures
from training.inpainting.batches import Batch, Collages
from training.inpainting.pictures import FIGURE_MASK, LABELS, THING_ALPHA
from training.inpainting.sampling import complete
from training.loop import Models
from training.sheets import save_images
from training.world import pool
from training.world.kernels import params as p
from training.world.picture import FACE_IDS
from training.world.scene import Scene

STEPS = 1
_PART = 16
_SHOWN = 12


@torch.inference_mode()
def evaluate_inpainting(
    models: Models, encoder: Any, reader: FaceReader, collages: Collages, plan: pool.Plan, folder: Path
) -> dict[str, dict[str, float]]:
    """Complete every held-out shot with a person; writes ``evaluation.json`` and ``evaluation.png`` to ``folder``.

    Args:
        models: "text" and "unet" with its adapters.
    """
    rows = [row for row in range(len(collages.layers)) if collages.layers.pictures[row][FIGURE_MASK].any()]
    no = torch.zeros(len(rows), dtype=torch.bool)
    told = collages.of(torch.tensor(rows), no, no, vary=False)
    drawn = torch.cat([complete(models["unet"], models["text"], part, STEPS) for part in told.split(_PART)])
    latents = {"collage": told.hint, "completed": drawn, "rendered": told.target}
    pictures = {name: to_bytes(collages.patches.decode(value)[0]) for name, value in latents.items()}
    stored = torch.from_numpy(np.stack([collages.layers.pictures[row] for row in rows]))
    pictures["completed"] = _with_product(pictures["completed"], pictures["collage"], stored[:, THING_ALPHA])
    report = _measured(pictures, stored, told, [pool.shot(plan, row).scene for row in rows], reader)
    real = _embedded(encoder, pictures["rendered"])
    for name, images in pictures.items():
        report[name]["frechet"] = measures.frechet_distance(_embedded(encoder, images), real)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evaluation.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    sheet = [Image.fromarray(images[at]) for images in pictures.values() for at in range(min(_SHOWN, len(rows)))]
    save_images(sheet, min(_SHOWN, len(rows)), folder / "evaluation.png")
    return report


def _measured(
    pictures: Mapping[str, measures.Bytes], stored: Tensor, told: Batch, scenes: Sequence[Scene], reader: FaceReader
) -> dict[str, dict[str, float]]:
    """Of the collages, the completed and the rendered pictures; the spreads and gradients are the renderings' times."""
    labels = stored[:, LABELS]
    face = torch.isin(labels, torch.tensor(FACE_IDS, dtype=torch.uint8)).float()
    new = torch.isin(labels, torch.tensor((p.PLINTH_ID, p.HAND_ID), dtype=torch.uint8)).float()
    outline = (stored[:, FIGURE_MASK] > 0).float()
    mask = functional.interpolate(told.mask, labels.shape[1:])[:, 0]
    real = pictures["rendered"]
    report = {
        name: {
            "likeness": measures.likeness(reader, images, real, scenes),
            "features": measures.features(reader, images, scenes),
            "sharpness": measures.sharpness(images, face) / measures.sharpness(real, face),
            "seam": measures.seam(images, outline) / measures.seam(real, outline),
        }
        for name, images in pictures.items()
    }
    for name in ("collage", "completed"):
        for part, where in (("drawn", mask), ("face", face), ("hand_plinth", new)):
            report[name][f"psnr_{part}"] = measures.psnr(pictures[name], real, where)
    return report


def to_bytes(pixels: Tensor) -> measures.Bytes:
    """Pixels [n, 3, S, S] in -1 to 1 as uint8 [n, S, S, 3]."""
    found: measures.Bytes = ((pixels / 2 + 0.5).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    return found


def _with_product(pictures: measures.Bytes, collages: measures.Bytes, alpha: Tensor) -> measures.Bytes:
    share = (alpha.float() / 255).numpy()[..., None]
    found: measures.Bytes = (pictures * (1 - share) + collages * share).round().astype(np.uint8)
    return found


def _embedded(encoder: Any, images: measures.Bytes) -> Tensor:
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    return torch.cat([encoder(normalised(part)).image_embeds for part in pixels.split(32)])
