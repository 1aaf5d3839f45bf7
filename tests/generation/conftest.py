"""A stand-in bundle, built and loaded once, and pictures to feed it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from generation.bundle.load import Bundle, load
from generation.bundle.miniature import build

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a stand-in bundle in the SD 1.5 layout; not to be changed."""
    return build(tmp_path_factory.mktemp("bundles") / "miniature")


@pytest.fixture(scope="session")
def bundle(miniature: Path) -> Bundle:
    """The stand-in, loaded on the CPU."""
    return load(miniature, "cpu")


@pytest.fixture(scope="session")
def packshot() -> Image.Image:
    """A red bottle with a white label on white, 90 x 120, with transparency."""
    image = Image.new("RGBA", (90, 120), (255, 255, 255, 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((20, 10, 70, 110), 12, fill=(220, 30, 40, 255))
    draw.rectangle((20, 50, 70, 70), fill=(255, 255, 255, 255))
    return image


def picture(seed: int, size: tuple[int, int] = (96, 80)) -> Image.Image:
    """A smooth picture of random colours."""
    colours = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize(size, Image.Resampling.BICUBIC)
