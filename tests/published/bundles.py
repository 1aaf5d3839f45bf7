"""Bundles that ship, with the published layouts on this machine as their source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from generation.bundle.card import BundleCard
from tests.published.layouts import LAYOUTS

BUNDLES = Path(__file__).parents[2] / "bundles"
STABLE_DIFFUSION = ("sd15", "sd15-inpaint", "sdxl", "sdxl-inpaint")
FAMILIES = (*STABLE_DIFFUSION, "flux2-klein")
BY_REPOSITORY = {layout.repository: name for name, layout in LAYOUTS.items()}


def local(card: BundleCard, repositories: Path) -> BundleCard:
    """``card`` with folders in place of the hub's repositories, and pictures as small as the narrow models'."""
    source = {
        key: str(repositories / BY_REPOSITORY[value]) if value in BY_REPOSITORY else value
        for key, value in card.source.items()
        if not key.endswith("_revision")
    }
    return replace(card, source=source, width=64, height=64, recipe={**card.recipe, "steps": 4})
