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

from generation.bundle import hub
from generation.bundle.card import read_card, write_card
from generation.bundle.load import load
from generation.bundle.memory import GIB, count_bytes
from generation.models import Models
from generation.studio import Studio
from tests.generation.takes import inputs
from tests.published.checkpoints import write
from tests.published.layouts import LAYOUTS

BUNDLES = Path(__file__).parents[2] / "bundles"
SIZE, STEPS = 256, 2
HALF = ("sdxl", "sdxl-inpaint")
"""Loaded in bfloat16, 11 GiB: in full precision they do not fit into 24 GB beside anything."""


@pytest.mark.full_size
@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["sd15", "sd15-inpaint", "sdxl", "sdxl-inpaint"])
def test_a_checkpoint_of_the_published_size_draws(name: str, tmp_path: Path, packshot: Image.Image) -> None:
    card = read_card(BUNDLES / name)
    parts = {part: card.source[part] for part in ("base", "vae", "adapters") if part in card.source}
    by_repository = {layout.repository: layout_name for layout_name, layout in LAYOUTS.items()}
    for part, repository in parts.items():
        wanted = partial(hub.is_wanted, patterns=hub.wanted_files(card, part))
        write(tmp_path / part, by_repository[repository], full=True, wanted=wanted)
    source = {part: str(tmp_path / part) for part in parts} | {"image_encoder": card.source["image_encoder"]}
    bundle_folder = tmp_path / "bundle"
    bundle_folder.mkdir()
    small = replace(card, source=source, width=SIZE, height=SIZE, recipe={**card.recipe, "steps": STEPS})
    write_card(bundle_folder, small)

    started = time.perf_counter()
    bundle = load(bundle_folder, "cpu", torch.bfloat16 if name in HALF else None)
    loaded, worked = time.perf_counter(), time.process_time()
    studio = Studio(Models.of(bundle))
    (made,) = studio.compose([inputs(packshot, width=SIZE, height=SIZE)])
    assert made.error is None
    modules = (bundle.unet, bundle.projections, bundle.vae, *bundle.text_encoders, bundle.image_encoder)
    facts = {
        "bundle": name,
        "threads": torch.get_num_threads(),
        "load_seconds": round(loaded - started, 1),
        "weights_gib": round(count_bytes(modules) / GIB, 2),
        "compose_seconds": round(time.perf_counter() - loaded, 1),
        "compose_cpu_seconds": round(time.process_time() - worked, 1),
        "dtype": str(bundle.dtype),
        "steps": STEPS,
        "size": SIZE,
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }
    print(json.dumps(facts))
