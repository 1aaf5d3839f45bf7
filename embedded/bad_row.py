"""The demo's one bad row: a product whose packshot was cut short on its way into the bucket.

Its row is right, so nothing is wrong until the picture is read: the shot fails with its reason, and no other suffers.
"""

from __future__ import annotations

import hashlib
import io

from PIL import Image, ImageOps

from brief.types import ImageRef, Product
from storage.bucket import keys as object_keys
from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog

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
