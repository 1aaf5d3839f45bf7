"""Objects of the bucket by way of the API server, since a browser need not reach the bucket."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Response
from PIL import Image

from brief.images import ImageRefused, read_image
from gallery_web import stores
from storage.bucket import keys as object_keys
from storage.bucket.errors import ObjectMissing
from storage.bucket.keys import CONTENT_TYPES

PREFIXES = ("catalog/", "cutouts/", "portraits/", "takes/", "published/")
"""What may be looked at; anything else in the bucket is not ours to show."""
WIDTHS = (0, 160, 320, 640)
"""Widths of previews in pixels; 0 is the object as it is. Few, so that previews can be remembered."""
MOST_TALL = 4
"""Previews are at most so many times as tall as the width asked for; what is taller is shown narrower."""
_SHOWN = CONTENT_TYPES.keys() - {".html"}
"""A page out of the bucket would run in the name of whoever looks."""
_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}

router = APIRouter()


@router.get("/image/{key:path}", name="image")
def image(key: str, width: Annotated[int, Query()] = 0) -> Response:
    """An object, or a preview of it; both may be kept for ever, since objects are never changed."""
    extension = "." + key.rpartition(".")[2]
    # Some S3 servers keep objects as files and would resolve dots.
    inside = (
        key.startswith(PREFIXES) and key.isprintable() and "\\" not in key and not {"", ".", ".."} & set(key.split("/"))
    )
    if not inside or extension not in _SHOWN or width not in WIDTHS:
        raise HTTPException(404, f"{key!r} is not among the pictures")
    if width and extension != ".json":
        return Response(_preview(key, width), media_type="image/webp", headers=_FOREVER)
    return Response(stores.objects().get(key), media_type=CONTENT_TYPES[extension], headers=_FOREVER)


@lru_cache(maxsize=512)
def _preview(key: str, width: int) -> bytes:
    """The preview as WebP: made once and kept in the bucket, since any of thousands may be asked for."""
    kept = object_keys.preview(key, width)
    try:
        return stores.objects().get(kept)
    except ObjectMissing:
        data = _make_preview(key, width)
    stores.objects().put(kept, data, object_keys.content_type(kept))
    return data


def _make_preview(key: str, width: int) -> bytes:
    try:
        picture = read_image(stores.objects().get(key), key)
    except ImageRefused as error:
        raise HTTPException(422, str(error)) from error
    # Pictures of small models are shown enlarged, with their pixels as they are.
    how = Image.Resampling.NEAREST if picture.width < width else Image.Resampling.LANCZOS
    # A strip of 12000 x 1 would have no height, one of 1 x 12000 would fill the memory.
    scale = min(width / picture.width, MOST_TALL * width / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    data = io.BytesIO()
    picture.resize(size, how).save(data, "WEBP", quality=85)
    return data.getvalue()
