"""How well products are cut out: ``python -m benchmarks cutouts``.

The sample's products, whose outlines are known, as they are and bleached to near white, are put on backgrounds as
packshots have them, with noise and JPEG's losses; the table has the intersection over union of what was cut out with
what is true, and the worst. A sheet of the cut-outs on green goes to ``benchmarks/results/cutouts.png``.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.results import FOLDER, keep, table
from generation.scene.cutout import cut_out, matte

IMAGES = Path(__file__).parents[1] / "examples" / "catalog" / "images"
BACKGROUNDS = ("white", "white, soft shadow", "grey sweep", "wood", "photo")
_EDGE = 640
_SHOWN, _TILE = 6, 160


def packshot(product: Image.Image, background: str, *, white: bool) -> tuple[Image.Image, np.ndarray]:
    """A product (RGBA, cropped) as a photographed packshot of 640 pixels, RGB, and its true alpha."""
    product = _bleached(product) if white else product
    share = 0.6 * _EDGE / max(product.size)
    product = product.resize((round(product.width * share), round(product.height * share)), Image.Resampling.LANCZOS)
    left, top = (_EDGE - product.width) // 2, (_EDGE - product.height) // 2
    wall = _wall(background)
    if background in ("white, soft shadow", "grey sweep", "wood"):
        shadow = Image.new("L", (_EDGE, _EDGE))
        flat = product.getchannel("A").resize((product.width, product.height // 4))
        shadow.paste(flat, (left + 10, top + product.height - product.height // 6))
        dark = np.asarray(shadow.filter(ImageFilter.GaussianBlur(14)), dtype=np.float32)[..., None] / 255
        wall = wall * (1 - 0.35 * dark)
    noise = np.random.default_rng(0).normal(0, 2, wall.shape)
    image = Image.fromarray(np.clip(wall + noise, 0, 255).astype(np.uint8))
    image.paste(product.convert("RGB"), (left, top), product.getchannel("A"))
    alpha = Image.new("L", image.size)
    alpha.paste(product.getchannel("A"), (left, top))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88)
    return Image.open(file).convert("RGB"), np.asarray(alpha, dtype=np.float32) / 255


def _wall(background: str) -> np.ndarray:
    down, across = np.mgrid[0:_EDGE, 0:_EDGE] / _EDGE
    if background == "photo":
        photo = Image.open(IMAGES / "kitchen.jpg").convert("RGB").resize((_EDGE, _EDGE))
        return np.asarray(photo, dtype=np.float32)
    if background == "wood":
        grain = np.sin(40 * down + 3 * np.sin(6 * across))
        return np.stack([150 + 35 * grain, 110 + 30 * grain, 70 + 22 * grain], axis=-1)
    level = {"white": np.full_like(down, 255), "grey sweep": 215 + 25 * (1 - down)}.get(background)
    return np.repeat((np.full_like(down, 252) if level is None else level)[..., None], 3, axis=2)


def _bleached(product: Image.Image) -> Image.Image:
    """The product in whites from 212 to 252."""
    grey = np.asarray(product.convert("L"), dtype=np.float32)
    low, high = np.percentile(grey[np.asarray(product.getchannel("A")) > 128], [2, 98])
    white = np.clip((grey - low) / (high - low + 1e-3), 0, 1) * 40 + 212
    image = Image.fromarray(np.repeat(white[..., None], 3, axis=2).astype(np.uint8))
    image.putalpha(product.getchannel("A"))
    return image


def overlap(found: np.ndarray, true: np.ndarray) -> float:
    """Intersection over union of two mattes, at one half."""
    one, other = found > 0.5, true > 0.5
    return float((one & other).sum() / max(1, (one | other).sum()))


def main(arguments: Sequence[str]) -> int:
    """Print the table; the exit status."""
    names = list(arguments) or sorted(file.stem for file in IMAGES.glob("*.png"))
    products = {name: cut_out(Image.open(IMAGES / f"{name}.png").convert("RGBA"), name).image for name in names}
    rows, tiles = [], []
    for white in (False, True):
        for background in BACKGROUNDS:
            values, started = {}, time.process_time()
            for name, product in products.items():
                image, true = packshot(product, background, white=white)
                found = matte(image)
                values[name] = overlap(found, true)
                tiles.append(_on_green(image, found))
            rows.append(
                {
                    "product": "bleached" if white else "as it is",
                    "background": background,
                    "mean": float(np.mean(list(values.values()))),
                    "worst": min(values.values()),
                    "of": min(values, key=values.__getitem__),
                    "above 0.9": f"{sum(value > 0.9 for value in values.values())} of {len(values)}",
                    "CPU s each": (time.process_time() - started) / len(values),
                }
            )
    print(table(rows))
    _sheet(tiles, len(names)).save(FOLDER / "cutouts.png")
    keep("cutouts", "python -m benchmarks cutouts", rows)
    return 0


def _on_green(image: Image.Image, alpha: np.ndarray) -> Image.Image:
    mask = Image.fromarray((alpha * 255).astype(np.uint8))
    return Image.composite(image, Image.new("RGB", image.size, (0, 140, 60)), mask).resize((_TILE, _TILE))


def _sheet(tiles: Sequence[Image.Image], products: int) -> Image.Image:
    rows = len(tiles) // products
    shown = min(_SHOWN, products)
    sheet = Image.new("RGB", (shown * _TILE, rows * _TILE))
    for row in range(rows):
        for column in range(shown):
            sheet.paste(tiles[row * products + column], (column * _TILE, row * _TILE))
    return sheet


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
