"""Where things lie in the bucket: pure functions from what something is to its object key.

Published keys carry names a person knows (campaign, SKU); all others carry only digests.
"""

from __future__ import annotations

import re

from brief.formats import RENDITION_FORMATS
from brief.recipe import RECIPE_VERSION
from brief.types import Shot, Take

EXTENSIONS = {
    "BMP": ".bmp",
    "GIF": ".gif",
    "JPEG": ".jpg",
    "PNG": ".png",
    "TIFF": ".tif",
    "WEBP": ".webp",
}
"""File extension of each image format that a catalog may hold, by Pillow's name of the format."""

CONTENT_TYPES = {
    ".bmp": "image/bmp",
    ".csv": "text/csv; charset=utf-8",
    ".gif": "image/gif",
    ".html": "text/html; charset=utf-8",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".webp": "image/webp",
    **{row.extension: row.mime for row in RENDITION_FORMATS.values()},
}


STEPS = "steps"
"""Name of the note that a refined picture carries beside it: what was done to it, as a JSON list of sentences."""
COMPOSITION = "composition"
"""Name under which a composed picture's object notes what is where in it (:class:`brief.types.Composition`)."""


def content_type(key: str) -> str:
    """MIME type of an object, by the extension of its key."""
    return CONTENT_TYPES["." + key.rpartition(".")[2]]


def packshot(sha256: str, extension: str) -> str:
    """A product's packshot as the team delivered it; ``extension`` includes the dot."""
    return f"catalog/packshots/{sha256}{extension}"


def cut_product(sha256: str) -> str:
    """The product of a packshot as pictures show it, RGBA, by the packshot's digest."""
    return f"cutouts/{RECIPE_VERSION}/{sha256}.png"


def cutout(sha256: str) -> str:
    """How a doubtful packshot looks without its ground, small, for whoever approves it; by the packshot's digest."""
    return f"catalog/cutouts/{sha256}.png"


def photo(sha256: str, extension: str) -> str:
    """An environment's reference photo as the team delivered it."""
    return f"catalog/photos/{sha256}{extension}"


def brought_portrait(sha256: str, extension: str) -> str:
    """A persona's portrait that the team brought instead of having it synthesised."""
    return f"catalog/portraits/{sha256}{extension}"


def portrait(portrait_key: str) -> str:
    """A synthesised portrait, by its digest (:func:`brief.recipe.portrait_key`)."""
    return f"portraits/{portrait_key}.png"


def candidates(portrait_key: str) -> str:
    """What the keys of the pictures begin with, of which that portrait was chosen."""
    return f"portraits/{portrait_key}/candidate-"


def takes_of(shot_key: str) -> str:
    """Prefix of all that the takes of one shot left."""
    return f"takes/{shot_key}/"


def composed(take: Take) -> str:
    """A take as the denoising loop left it."""
    return f"{takes_of(take.shot_key)}{take.key}/composed.png"


def refined(take: Take) -> str:
    """A take after refinement."""
    return f"{takes_of(take.shot_key)}{take.key}/refined.png"


def measurements(take: Take, scorers: str) -> str:
    """What the scorers with this fingerprint measured of a take, as JSON; others leave theirs beside it."""
    return f"{takes_of(take.shot_key)}{take.key}/measured-{scorers}.json"


def attribution(take: Take) -> str:
    """Heat maps of a take: which adapter drew what; only where somebody asked for them."""
    return f"{takes_of(take.shot_key)}{take.key}/attribution.png"


def published(shot: Shot) -> str:
    """Prefix of a published shot. Two SKUs that look alike once made safe stay apart by the shot's key."""
    return f"published/{safe_name(shot.campaign)}/{safe_name(shot.product.sku)}/{shot.key}/"


def master(shot: Shot, version: str) -> str:
    """The published picture in full size; ``version`` is a digest of what went into it."""
    return f"{published(shot)}master-{version}.png"


def rendition(shot: Shot, name: str, image_format: str, version: str) -> str:
    """A published size; ``image_format`` is a name of :data:`brief.formats.RENDITION_FORMATS`, ``version`` a digest of
    what went into it: what changes gets another key, since published files may be kept by caches for ever."""
    return f"{published(shot)}{safe_name(name)}-{version}{RENDITION_FORMATS[image_format].extension}"


def manifest(shot: Shot, number: int = 1) -> str:
    """The published picture's history as JSON; written last, so that where it is, the rest is. It gets a ``number``
    each time that renditions are added, changed or removed."""
    return f"{published(shot)}manifest{'' if number == 1 else f'-{number}'}.json"


def current(campaign: str, extension: str) -> str:
    """The list of what is live of a campaign, as ``.json`` or ``.csv``; written again whenever that changes."""
    return f"published/{safe_name(campaign)}/current{extension}"


def report(dag_id: str, run_id: str, extension: str) -> str:
    """The report of a DAG run; ``extension`` is ".html" or ".json"."""
    return f"reports/{safe_name(dag_id)}/{safe_name(run_id)}{extension}"


def previews_of(prefix: str) -> str:
    """Prefix of the previews of all objects below ``prefix``; they go with what they show."""
    return f"previews/{prefix}"


def preview(key: str, width: int) -> str:
    """A smaller picture of the object ``key``, ``width`` pixels wide."""
    return f"{previews_of(key)}/{width}.webp"


def safe_name(name: str) -> str:
    """A person's name for something as one part of an object key: ASCII letters, digits, ``._-``, no leading dot.

    S3 servers disagree about slashes, percent signs and dot segments, so nothing of that kind gets through.
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip(".") or "-"
