"""Products of the world: kind, material, pattern, two colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.world.splits import Split, digest_number, split_of

KINDS = (
    "bottle", "mug", "handbag", "sneaker", "watch", "perfume", "jar", "headphones", "lamp", "teapot", "backpack",
    "camera",
)  # fmt: skip
"""In the order of :mod:`training.world.kernels.product`."""
OUTLINES: dict[str, tuple[float, float, float]] = {
    "bottle": (0.0, -0.07, 0.98), "mug": (0.19, -0.39, 0.72), "handbag": (0.0, -0.22, 0.84),
    "sneaker": (0.0, -0.53, 0.97), "watch": (0.03, -0.12, 0.90), "perfume": (0.0, -0.19, 0.86),
    "jar": (0.0, -0.41, 0.67), "headphones": (0.0, -0.16, 0.91), "lamp": (0.0, -0.16, 0.92),
    "teapot": (0.03, -0.34, 1.04), "backpack": (0.0, -0.08, 0.93), "camera": (0.0, -0.37, 0.81),
}  # fmt: skip
"""Middle (x, y) and half the longer edge of each kind's outline, in the units in which its base stands at y = -1;
measured on renderings over the yaws that scenes use."""
PATTERNS = ("plain", "striped", "dotted", "banded", "two-tone")
MATERIALS = ("matte", "glossy", "metallic")
COLOURS = ("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "white", "black")
SECOND_COLOURS = ("white", "black", "yellow", "beige", "navy", "pink", "red")
_PATTERN_ODDS = (0.28, 0.2, 0.2, 0.18, 0.14)


@dataclass(frozen=True, slots=True)
class WorldProduct:
    """``second`` colours the pattern and the parts (lid, handle, sole). A plain product's second colour is not told."""

    kind: str
    material: str
    pattern: str
    colour: str
    second: str

    @property
    def title(self) -> str:
        """As :attr:`brief.types.Product.title`: "glossy red and white striped mug", "matte teal lamp"."""
        if self.pattern == "plain":
            return f"{self.material} {self.colour} {self.kind}"
        return f"{self.material} {self.colour} and {self.second} {self.pattern} {self.kind}"


def product_split(product: WorldProduct) -> Split:
    return split_of(f"product {product.title}")


def _draw(rng: np.random.Generator) -> WorldProduct:
    colour = COLOURS[rng.integers(len(COLOURS))]
    others = [name for name in SECOND_COLOURS if name != colour]
    return WorldProduct(
        kind=KINDS[rng.integers(len(KINDS))],
        material=MATERIALS[rng.integers(len(MATERIALS))],
        pattern=PATTERNS[rng.choice(len(PATTERNS), p=_PATTERN_ODDS)],
        colour=colour,
        second=others[rng.integers(len(others))],
    )


def draw_product(seed: int, split: Split) -> WorldProduct:
    """A product of a split. What is held out is the combination, so no held-out title is ever trained on."""
    rng = np.random.default_rng(digest_number(f"product {seed}"))
    product = _draw(rng)
    while product_split(product) != split:
        product = _draw(rng)
    return product
