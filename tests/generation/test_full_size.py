"""Checkpoints of the published size: load time, memory and seconds per step. Gigabytes and minutes: `-m full_size`."""

from __future__ import annotations

import json
import resource
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from generation.bundle import hub
from generation.bundle.card import read_card, write_card
from generation.bundle.load import load
from generation.bundle.memory import GIB, count_bytes
from generation.compose import compose_pictures, lay_out
from generation.painter import Painter
from generation.painters.flux2_klein.load import load_klein
from generation.painters.flux2_klein.painter import Flux2Klein
from generation.painters.stable_diffusion.painter import StableDiffusion
from tests.generation.takes import inputs
from tests.published.bundles import BY_REPOSITORY, FAMILIES
from tests.published.checkpoints import write

BUNDLES = Path(__file__).parents[2] / "bundles"
SIZE, STEPS = 256, 2
HALF = ("sdxl", "sdxl-inpaint", "flux2-klein")
"""Loaded in bfloat16, up to 16 GiB: in full precision they do not fit into 24 GB beside anything."""


@pytest.mark.full_size
@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FAMILIES)
def test_a_checkpoint_of_the_published_size_draws(name: str, tmp_path: Path, packshot: Image.Image) -> None:
    """Without the models that look at pictures."""
    folder = write_bundle(name, tmp_path)
    started = time.perf_counter()
    painter, denoiser, others = open_painter(folder, torch.bfloat16 if name in HALF else None)
    loaded, worked = time.perf_counter(), time.process_time()
    calls = timed(denoiser)
    scene = lay_out(painter, inputs(packshot, width=SIZE, height=SIZE))
    (made,) = compose_pictures(painter, [scene])
    assert made.size == (SIZE, SIZE)
    assert len(calls) >= STEPS
    facts = {
        "bundle": name,
        "threads": torch.get_num_threads(),
        "load_seconds": round(loaded - started, 1),
        "weights_gib": round(count_bytes([denoiser, *others]) / GIB, 2),
        "compose_seconds": round(time.perf_counter() - loaded, 1),
        "compose_cpu_seconds": round(time.process_time() - worked, 1),
        "step_cpu_seconds": round(sum(calls) / STEPS, 2),
        "dtype": str(next(denoiser.parameters()).dtype),
        "steps": STEPS,
        "size": SIZE,
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }
    print(json.dumps(facts))


def write_bundle(name: str, folder: Path) -> Path:
    """The bundle that ships, with what it draws with at full size on this machine."""
    card = read_card(BUNDLES / name)
    parts = {part: card.source[part] for part in ("base", "vae", "adapters") if part in card.source}
    for part, repository in parts.items():
        wanted = partial(hub.is_wanted, patterns=hub.wanted_files(card, part))
        write(folder / part, BY_REPOSITORY[repository], full=True, wanted=wanted)
    source = {part: str(folder / part) for part in parts}
    if "image_encoder" in card.source:
        source["image_encoder"] = card.source["image_encoder"]
    bundle = folder / "bundle"
    bundle.mkdir()
    write_card(bundle, replace(card, source=source, width=SIZE, height=SIZE, recipe={**card.recipe, "steps": STEPS}))
    return bundle


def open_painter(folder: Path, dtype: torch.dtype | None) -> tuple[Painter, nn.Module, list[nn.Module]]:
    """The painter, its denoiser and its other models."""
    if read_card(folder).family == "flux2-klein":
        klein = load_klein(folder, "cpu", dtype)
        return Flux2Klein(klein), klein.transformer, [klein.vae, klein.text_encoder]
    bundle = load(folder, "cpu", dtype)
    others = [bundle.projections, bundle.vae, *bundle.text_encoders, bundle.image_encoder]
    return StableDiffusion.of(bundle), bundle.unet, others


def timed(denoiser: nn.Module) -> list[float]:
    """Processor seconds of each call of ``denoiser`` from now on."""
    calls: list[float] = []
    denoiser.register_forward_pre_hook(lambda *_: calls.append(-time.process_time()))
    denoiser.register_forward_hook(lambda *_: calls.append(calls.pop() + time.process_time()))
    return calls
