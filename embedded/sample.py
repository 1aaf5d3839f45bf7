"""What the demo shows: its one bad row, and one picture of all the pictures.

The bad row is a product whose packshot was cut short on its way into the bucket. Its row is right, so nothing is wrong
until the picture is read: the shot fails with its reason, and no other suffers.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from brief.types import ImageRef, Product
from storage.bucket import keys as object_keys
from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog
from storage.catalog.gallery import ShotFilter
from storage.catalog.records import ShotRecord
from storage.catalog.tables import ShotState

SKU = "DAMAGED-1"


def plant_bad_row(catalog: Catalog, objects: Objects) -> None:
    """Add the product; campaigns that take every product want it too. Again changes nothing."""
    products = catalog.products()
    model = products[min(sku for sku in products if sku != SKU)]
    whole = _mirrored(objects.get(model.packshot.key, model.packshot.sha256))
    ref = ImageRef(object_keys.packshot(_sha256(whole), ".png"), _sha256(whole))
    objects.put(ref.key, whole[: len(whole) // 2], "image/png")
    catalog.save_products([Product(SKU, model.title, model.category, ref)])


def _mirrored(packshot: bytes) -> bytes:
    """An image of its own, so that the row it is modelled on stays whole."""
    with Image.open(io.BytesIO(packshot)) as image:
        out = io.BytesIO()
        ImageOps.mirror(image.convert("RGB")).save(out, "PNG")
    return out.getvalue()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


CELL, CAPTION, GAP, COLUMNS, MOST = 192, 34, 8, 6, 60
PAPER, INK, DOUBT = "white", "black", "firebrick"


def make_contact_sheet(catalog: Catalog, objects: Objects, path: Path) -> int:
    """Write a PNG with the newest pictures, :data:`MOST` at most; returns how many it shows (0 writes nothing).

    Doubtful pictures are captioned in red.
    """
    shown = [record for state in (ShotState.PUBLISHED, ShotState.REVIEW) for record in _newest(catalog, state)][:MOST]
    if not shown:
        return 0
    shown.sort(key=lambda record: (record.shot.product.sku, record.shot.environment.name))
    sheet = _paper(len(shown))
    for index, record in enumerate(shown):
        at = (GAP + index % COLUMNS * (CELL + GAP), GAP + index // COLUMNS * (CELL + CAPTION + GAP))
        sheet.paste(_picture(objects, record), at)
        _caption(sheet, (at[0], at[1] + CELL), record)
    draft = path.with_suffix(".new")
    sheet.save(draft, "PNG")
    draft.replace(path)
    return len(shown)


def _newest(catalog: Catalog, state: ShotState) -> Sequence[ShotRecord]:
    return catalog.find_shots(ShotFilter(state=state), limit=MOST).shots


def _paper(pictures: int) -> Image.Image:
    columns = min(COLUMNS, pictures)
    rows = math.ceil(pictures / COLUMNS)
    return Image.new("RGB", (GAP + columns * (CELL + GAP), GAP + rows * (CELL + CAPTION + GAP)), PAPER)


def _picture(objects: Objects, record: ShotRecord) -> Image.Image:
    """The published master, else the take as it was refined, in a square cell."""
    ref = record.publication.master if record.publication else record.take.refined if record.take else None
    cell = Image.new("RGB", (CELL, CELL), PAPER)
    if ref is None:
        return cell
    with Image.open(io.BytesIO(objects.get(ref.key, ref.sha256))) as opened:
        image = opened.convert("RGB")
    scale = CELL / max(image.size)
    fitted = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    cell.paste(fitted, ((CELL - fitted.width) // 2, (CELL - fitted.height) // 2))
    return cell


def _caption(sheet: Image.Image, at: tuple[int, int], record: ShotRecord) -> None:
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    doubtful = record.state is ShotState.REVIEW
    lines = (record.shot.product.sku, record.shot.environment.name + (" · review" if doubtful else ""))
    for index, line in enumerate(lines):
        while line and draw.textlength(line, font) > CELL:
            line = line[:-1]
        draw.text((at[0], at[1] + 2 + index * 15), line, DOUBT if doubtful else INK, font)
