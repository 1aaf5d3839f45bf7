"""Contact sheets: many small pictures in one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw
from torch import Tensor

_GAP, _LABEL = 2, 12


def save_sheet(pixels: Tensor, columns: int, file: Path) -> None:
    """Save [n, 3, h, w] in 0 to 1 as one picture with ``columns`` columns."""
    bytes_ = (pixels.detach().float().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    save_images([Image.fromarray(array) for array in bytes_], columns, file)


def save_images(images: Sequence[Image.Image], columns: int, file: Path, labels: Sequence[str] = ()) -> None:
    """Save pictures of one size as a grid; ``labels`` (one per picture) are written below each."""
    width, height = images[0].size
    cell = (width + _GAP, height + _GAP + (_LABEL if labels else 0))
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * cell[0], rows * cell[1]), "white")
    pen = ImageDraw.Draw(sheet)
    for index, image in enumerate(images):
        place = (index % columns * cell[0], index // columns * cell[1])
        sheet.paste(image, place)
        if labels:
            pen.text((place[0] + 2, place[1] + height), labels[index], fill="black")
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(file)
