"""A catalog small enough for an end-to-end run: drawn by Pillow, two shots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

CAMPAIGN = "tiny"


def write_tiny_catalog(folder: Path, skus: tuple[str, ...] = ("MUG-1",)) -> Path:
    """A campaign that wants every product of the catalog on the beach and in the kitchen."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, "products", [_product(folder, sku) for sku in skus])
    _write(folder, "environments", [_place(folder, "beach", "skyblue"), _place(folder, "kitchen", "wheat")])
    _write(folder, "personas", [{"name": "ada", "face": {"age_band": "adult", "hair_style": "bob"}, "seed": 7}])
    campaign = {
        "name": CAMPAIGN,
        "title": "Tiny",
        "products": [],
        "environments": ["beach", "kitchen"],
        "personas": ["ada"],
        "framings": ["plinth"],
        "recipe": "draft",
        "max_takes": 1,
        "renditions": [{"name": "web", "width": 48, "height": 48}],
    }
    _write(folder, "campaigns", [campaign])
    return folder


DOUBTFUL = "doubtful"


def add_doubtful_campaign(folder: Path) -> None:
    """One more campaign, of four shots of one product; a person must judge them all."""
    rows = (folder / "campaigns.jsonl").read_text().splitlines()
    campaign = json.loads(rows[0])
    more = {"name": DOUBTFUL, "title": "Doubtful", "products": ["MUG-1"], "framings": ["plinth", "held"]}
    _write(folder, "campaigns", [campaign, {**campaign, **more}])


def _write(folder: Path, kind: str, rows: list[dict[str, Any]]) -> None:
    (folder / f"{kind}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def _product(folder: Path, sku: str) -> dict[str, Any]:
    image = Image.new("RGB", (128, 128), "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse((30, 30, 98, 98), fill=(200, 40, sum(sku.encode()) % 256))
    image.save(folder / f"{sku}.png")
    return {"sku": sku, "title": "red mug", "category": "mug", "packshot": f"{sku}.png"}


def _place(folder: Path, name: str, colour: str) -> dict[str, Any]:
    Image.new("RGB", (128, 128), colour).save(folder / f"{name}.png")
    return {"name": name, "description": f"at the {name}", "photo": f"{name}.png"}
