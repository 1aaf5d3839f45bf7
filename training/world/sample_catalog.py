"""Write the sample catalog: ``python -m training.world.sample_catalog [examples/catalog]``.

Twelve products with packshots, six environments with photos, four personas without portraits (those are synthesised),
and one campaign that uses them all. Writing again gives the same rows and pictures.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brief.face_spec import FaceSpec
from brief.types import Framing
from training.world.picture import packshot_rgba, render_scenes
from training.world.places import WorldPlace
from training.world.products import WorldProduct
from training.world.scene import Scene, View

EDGE = 512
MARGIN = 32
"""Pixels between the product's outline and the nearest edge of its packshot."""
PHOTO_QUALITY = 92

PRODUCTS: dict[str, WorldProduct] = {
    "MUG-RED-01": WorldProduct("mug", "glossy", "striped", "red", "white"),
    "BOT-TEA-02": WorldProduct("bottle", "matte", "banded", "teal", "yellow"),
    "BAG-PUR-03": WorldProduct("handbag", "glossy", "plain", "purple", "black"),
    "SNK-ORA-04": WorldProduct("sneaker", "matte", "plain", "orange", "white"),
    "WAT-BLU-05": WorldProduct("watch", "metallic", "plain", "blue", "red"),
    "PER-PIN-06": WorldProduct("perfume", "glossy", "two-tone", "pink", "navy"),
    "JAR-GRE-07": WorldProduct("jar", "matte", "dotted", "green", "beige"),
    "HPH-YEL-08": WorldProduct("headphones", "glossy", "plain", "yellow", "black"),
    "LMP-RED-09": WorldProduct("lamp", "matte", "dotted", "red", "white"),
    "TPT-BLU-10": WorldProduct("teapot", "glossy", "striped", "blue", "white"),
    "BPK-ORA-11": WorldProduct("backpack", "matte", "two-tone", "orange", "navy"),
    "CAM-TEA-12": WorldProduct("camera", "metallic", "plain", "teal", "black"),
}
"""The first letters of the kind, of the colour, and a running number."""

ENVIRONMENTS: dict[str, WorldPlace] = {
    "beach": WorldPlace("beach", 4),
    "kitchen": WorldPlace("kitchen", 2),
    "city": WorldPlace("city", 3),
    "snow": WorldPlace("snow", 1),
    "library": WorldPlace("library", 5),
    "meadow": WorldPlace("meadow", 6),
}

PERSONAS: dict[str, tuple[FaceSpec, int]] = {
    "Ada": (
        FaceSpec(
            age_band="young adult", gender_expression="feminine", skin_tone=8, face_shape="heart", eye_colour="brown",
            lips="full", hair_style="afro", hair_colour="black", glasses="round", glasses_colour="red",
            makeup="natural", expression="grinning", wardrobe="turtleneck", wardrobe_colour="yellow",
        ),
        11,
    ),
    "Bruno": (
        FaceSpec(
            age_band="adult", gender_expression="masculine", skin_tone=4, face_shape="square", eye_colour="blue",
            brows="thick", hair_style="quiff", hair_colour="red", facial_hair="full beard", expression="smiling",
            wardrobe="shirt", wardrobe_colour="teal",
        ),
        12,
    ),
    "Mina": (
        FaceSpec(
            age_band="adult", gender_expression="feminine", skin_tone=3, face_shape="oval", eye_colour="green",
            hair_style="bob", hair_texture="straight", hair_colour="pink", fringe="straight", freckles=True,
            expression="smiling", wardrobe="t-shirt", wardrobe_colour="navy", wardrobe_pattern="striped",
        ),
        13,
    ),
    "Otto": (
        FaceSpec(
            age_band="senior", gender_expression="masculine", skin_tone=6, face_shape="long", eye_colour="grey",
            hair_style="bald", facial_hair="moustache", lines="deep", glasses="square", glasses_colour="black",
            expression="neutral", wardrobe="hoodie", wardrobe_colour="orange",
        ),
        14,
    ),
}  # fmt: skip
"""Chosen features and seed; what is not chosen is left to the seed."""

CAMPAIGN: dict[str, Any] = {
    "name": "spring-launch",
    "title": "Spring launch",
    "products": [],
    "environments": list(ENVIRONMENTS),
    "personas": list(PERSONAS),
    "framings": [framing.value for framing in Framing],
    "shots_per_product": 2,
    "width": EDGE,
    "height": EDGE,
    "recipe": "standard",
    "renditions": [
        {"name": "web", "width": 512, "height": 512, "format": "webp", "quality": 85},
        {"name": "thumb", "width": 128, "height": 128, "format": "jpeg", "quality": 80},
    ],
    "thresholds": {},
    "max_takes": 2,
    "seed": 1,
}


def trimmed(packshot: np.ndarray[Any, np.dtype[np.uint8]]) -> Image.Image:
    """The product alone in a transparent square of :data:`EDGE` pixels, :data:`MARGIN` from the nearest edge."""
    image = Image.fromarray(packshot)
    cut = image.crop(image.getchannel("A").getbbox())
    scale = (EDGE - 2 * MARGIN) / max(cut.size)
    cut = cut.resize((round(cut.width * scale), round(cut.height * scale)), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (EDGE, EDGE), (255, 255, 255, 0))
    square.paste(cut, ((EDGE - cut.width) // 2, (EDGE - cut.height) // 2))
    return square


def write_images(folder: Path) -> None:
    """Packshots and photos into ``folder/images``."""
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    for number, (sku, product) in enumerate(PRODUCTS.items()):
        packshot = packshot_rgba(Scene(View.PACKSHOT, 100 + number, product=product), EDGE + EDGE // 4, oversample=3)
        trimmed(packshot).save(images / f"{sku}.png", optimize=True)
    for number, (name, place) in enumerate(ENVIRONMENTS.items()):
        drawn, _ = render_scenes([Scene(View.PHOTO, 200 + number, place=place)], EDGE)
        Image.fromarray(drawn[0]).save(images / f"{name}.jpg", quality=PHOTO_QUALITY)


def product_rows() -> list[dict[str, Any]]:
    rows = []
    for sku, product in PRODUCTS.items():
        attributes = {"material": product.material, "pattern": product.pattern, "colour": product.colour}
        if product.pattern != "plain":
            attributes["second_colour"] = product.second
        row = {"sku": sku, "title": product.title, "category": product.kind, "attributes": attributes}
        rows.append(row | {"packshot": f"images/{sku}.png"})
    return rows


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_catalog(folder: Path) -> None:
    """Rows and images."""
    write_images(folder)
    write_rows(folder / "products.jsonl", product_rows())
    write_rows(
        folder / "environments.jsonl",
        [
            {"name": name, "description": place.description, "photo": f"images/{name}.jpg"}
            for name, place in ENVIRONMENTS.items()
        ],
    )
    write_rows(
        folder / "personas.jsonl",
        [{"name": name, "face": face.chosen(), "seed": seed} for name, (face, seed) in PERSONAS.items()],
    )
    write_rows(folder / "campaigns.jsonl", [CAMPAIGN])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("examples/catalog"))
    write_catalog(parser.parse_args().folder)


if __name__ == "__main__":
    main()
