# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6", "openexr==3.5.3", "pillow==13.0.0"]
# ///
"""Makes ``bundles/judges/places/sheet.webp``: ``uv run training/reference_places.py FILE``.

Sixteen photographs of places, views out of the panoramas of npm ``@pmndrs/assets`` 1.7.0 (CC0-1.0). They tell what an
encoder's cosines mean (:mod:`generation.score.scales`).
"""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import OpenEXR
from PIL import Image

PACKAGE = "@pmndrs/assets@1.7.0"
SHA256 = "152bd218a3390703f184f0c6ce16e73c8f0a87f32d38530d418a09d33d8208dc"
PLACES = (
    *("apartment", "bridge", "city", "dawn", "esplanade", "forest", "hall", "lab"),
    *("lobby", "night", "park", "sunrise", "sunset", "venice", "warehouse", "workshop"),
)
"""Without "sky" and "studio", which show no place that a product could stand in."""
EDGE = 160
"""Of a view, about the panoramas' own resolution."""
_FIELD = np.radians(100)
_WHITE = 20


def panoramas() -> dict[str, np.ndarray]:
    """Light [height, width, 3] of each panorama, all directions; bright spots may be infinite.

    Raises:
        ValueError: the package is another one than that of :data:`SHA256`.
    """
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True)  # noqa: S603, S607
        (archive,) = Path(folder).iterdir()
        if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
            raise ValueError(f"{archive.name} has another SHA-256 than {SHA256}")
        found = {}
        with tarfile.open(archive) as files:
            for name in PLACES:
                stream = files.extractfile(f"package/hdri/{name}.exr.js")
                encoded = re.search(rb"base64,([^'\"]+)", stream.read() if stream else b"")
                if encoded is None:
                    raise ValueError(f"{PACKAGE} holds no panorama {name!r}")
                file = Path(folder) / "panorama.exr"
                file.write_bytes(base64.b64decode(encoded[1]))
                found[name] = OpenEXR.File(str(file)).channels()["RGB"].pixels.astype(np.float32)
    return found


def view(panorama: np.ndarray) -> Image.Image:
    """What a camera sees of it straight ahead, in sRGB, its mean lightness that of a photograph."""
    light = np.clip(np.nan_to_num(panorama, nan=6e4, posinf=6e4), 0, 6e4)
    brightest = light.max(-1, keepdims=True)
    light = np.where(brightest > _WHITE, brightest, light)  # compression left suns without some of their colours
    height, width = light.shape[:2]
    down, across = (np.mgrid[0:EDGE, 0:EDGE] + 0.5) / EDGE - 0.5
    depth = 0.5 / np.tan(_FIELD / 2)
    columns = (np.arctan2(across, depth) / (2 * np.pi) + 0.5) * width - 0.5
    rows = (0.5 + np.arctan2(down, np.hypot(across, depth)) / np.pi) * height - 0.5
    left, top = np.floor(columns).astype(int), np.floor(rows).astype(int)
    right, lower = (columns - left)[..., None], (rows - top)[..., None]
    upper = light[top, left] * (1 - right) + light[top, left + 1] * right
    under = light[top + 1, left] * (1 - right) + light[top + 1, left + 1] * right
    seen = upper * (1 - lower) + under * lower
    seen *= 0.25 / np.exp(np.log(seen.mean(-1) + 1e-3).mean())
    seen *= (1 + seen / 9) / (1 + seen)  # Reinhard et al., 2002
    return Image.fromarray((np.clip(seen, 0, 1) ** (1 / 2.2) * 255).round().astype(np.uint8))


def main(target: Path) -> None:
    """Write the sheet, four views a row."""
    sheet = Image.new("RGB", (4 * EDGE, 4 * EDGE))
    for number, panorama in enumerate(panoramas().values()):
        sheet.paste(view(panorama), (number % 4 * EDGE, number // 4 * EDGE))
    target.parent.mkdir(exist_ok=True)
    sheet.save(target, quality=88, method=6)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
