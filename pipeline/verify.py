"""Whether a picture is what it claims: what anybody's file says of its origin and whether it was altered since; and a
picture made again from what was recorded, compared with what is kept."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from html import unescape
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from brief.errors import PipelineError
from brief.images import read_image
from brief.recipe import RECIPE_VERSION
from brief.types import ImageRef, MadeBy, Shot, campaign_images
from pipeline.credentials import DEVELOPMENT, Credentials, read_credentials
from pipeline.provenance import COMPOSITE, WHOLLY_GENERATED
from storage.bucket import keys as object_keys
from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog


class Answer(StrEnum):
    """What is known of a file's origin."""

    INTACT = "made by Lookbook and not altered since"
    ALTERED = "made by Lookbook and altered since"
    MARKED = "marked as made by Lookbook, without a signature that would show whether it was altered"
    STRANGER = "not made by Lookbook, as far as can be told: it carries no mark of it"
    NO_PICTURE = "not a picture that can be read"


@dataclass(frozen=True, slots=True)
class Verified:
    """An answer with what it rests on.

    Attributes:
        facts: name and value, in the order in which they are told.
    """

    answer: Answer
    facts: tuple[tuple[str, str], ...]


_TOLD = {
    "source type": rb'DigitalSourceType="([^"]*)"',
    "made with": rb'CreatorTool="([^"]*)"',
    "model": rb'AISystemUsed="([^"]*)"',
    "model version": rb'AISystemVersionUsed="([^"]*)"',
    "made at": rb'CreateDate="([^"]*)"',
    "shot": rb'identifier="([^"]*)"',
    "alt text": rb'<rdf:li xml:lang="x-default">([^<]*)</rdf:li>',
}
"""What our XMP says, by how it is found: a program that saves the file again may write it in its own way around."""


def verify(data: bytes) -> Verified:
    """Whether a file was made by Lookbook and is as it was; nothing is fetched, and no catalog is needed."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            mime, xmp = str(image.get_format_mimetype()), image.info.get("xmp") or b""
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return Verified(Answer.NO_PICTURE, ())
    packet = xmp.encode() if isinstance(xmp, str) else xmp
    marks = {name: found[1] for name, how in _TOLD.items() if (found := re.search(how, packet))}
    told = [(name, unescape(value.decode("utf-8", "replace"))) for name, value in marks.items() if value]
    ours = dict(told).get("made with", "").startswith("Lookbook")
    signed = read_credentials(data, mime)
    if signed is not None and signed.origin is not None:
        answer = Answer.INTACT if signed.intact else Answer.ALTERED
        return Verified(answer, (*_of(signed), *(told if ours else ())))
    if ours and signed is not None and not signed.intact:
        return Verified(Answer.ALTERED, (*_of(signed), *told))
    if ours:
        return Verified(Answer.MARKED, tuple(told))
    others = _of(signed) if signed else ()
    stated = dict(told).get("source type", "")
    by_a_model = (
        (("says of itself", f"made with a model ({stated})"),) if stated in (COMPOSITE, WHOLLY_GENERATED) else ()
    )
    return Verified(Answer.STRANGER, (*others, *by_a_model))


def _of(signed: Credentials) -> tuple[tuple[str, str], ...]:
    origin = signed.origin or {}
    known = "" if signed.signer != DEVELOPMENT else "; anybody can make such a one"
    return tuple(
        (name, value)
        for name, value in (
            ("signed by", f"{signed.signer}{known}"),
            ("signed with", signed.generator),
            ("signature", "whole" if signed.intact else ", ".join(signed.problems) or "broken"),
            ("signed source type", signed.source_type or ""),
            ("signed shot", str(origin.get("shot", ""))),
            ("take", str(origin.get("take", ""))),
        )
        if value
    )


_LARGEST, _MEAN = 8, 0.05
"""Of 255: what rounding may come to in one channel of one pixel, and over all."""


class NotReproducible(PipelineError, ValueError):
    """A picture that cannot be made again here; says why and what to do."""


@dataclass(frozen=True, slots=True)
class Reproduced:
    """How a picture that was made again compares.

    Attributes:
        largest: difference of a channel, of 255.
        mean: the same, over all pixels.
        recipe: versions of the recipes then and now, where they differ.
    """

    shot: str
    take: int
    largest: int
    mean: float
    recipe: str = ""

    @property
    def same(self) -> bool:
        """Whether it is the same picture but for rounding: it is drawn alone, and may have been drawn in a batch, of
        which each step is equal to a ten-thousandth only."""
        return self.largest <= _LARGEST and self.mean <= _MEAN

    def __str__(self) -> str:
        what = f"shot {self.shot}, take {self.take}"
        if self.same:
            rounded = f", but for rounding: {self.largest} of 255 at most, {self.mean:.4f} in the mean"
            return f"{what}: every pixel is as it was{rounded if self.largest else ''}"
        other = f" {self.recipe}" if self.recipe else ""
        return f"{what}: pixels differ by up to {self.largest} of 255, {self.mean:.3f} in the mean.{other}"


def reproduce(catalog: Catalog, objects: Objects, shot_key: str, bundle: Path, device: str | None = None) -> Reproduced:
    """Compose and refine a shot's published (else latest) take again, on this machine, without touching what is kept.

    Raises:
        NotReproducible: it has no refined picture, or ``bundle`` is not what made it.
        RowMissing: there is no such shot.
        ObjectError: what it is made from, or the picture, is missing or damaged.
    """
    from generation.scene.material import Material, Result
    from generation.studio import Studio

    record = catalog.history(shot_key).record
    take = record.take
    if take is None or take.refined is None or take.made_by is None:
        raise NotReproducible(f"shot {shot_key} has no picture of which is known who made it; run its campaign first")
    studio, shot = Studio.open(bundle, device, batch=1), record.shot
    _same_bundle(shot_key, take.made_by, studio.card.fingerprint, bundle)
    material = Material(
        shot=shot, take=take.take, packshot=_bytes(objects, shot.product.packshot),
        photo=_bytes(objects, shot.environment.photo), portrait=_portrait(objects, shot),
        references={role: _bytes(objects, each) for role, each in campaign_images(shot).items()},
    )  # fmt: skip

    def only(results: list[Result]) -> Result:
        (result,) = results
        if result.error is not None or result.image is None:
            raise NotReproducible(f"shot {shot_key} cannot be made again: {result.error}")
        return result

    composed = only(list(studio.compose([material])))
    refined = only(list(studio.refine([replace(material, picture=composed.image)])))
    kept = read_image(_bytes(objects, take.refined), f"refined take of shot {shot_key}").convert("RGB")
    if refined.image is None or refined.image.size != kept.size:
        raise NotReproducible(f"shot {shot_key} comes out in another size than it has; its campaign's size was changed")
    apart = np.abs(np.asarray(refined.image.convert("RGB"), dtype=np.int16) - np.asarray(kept, dtype=np.int16))
    return Reproduced(shot_key, take.take.number, int(apart.max()), float(apart.mean()), _other_recipe(take.made_by))


def _same_bundle(shot_key: str, made_by: MadeBy, fingerprint: str, bundle: Path) -> None:
    if fingerprint != made_by.bundle.fingerprint:
        made = f"{made_by.bundle.name} ({made_by.bundle.fingerprint[:8]})"
        raise NotReproducible(
            f"shot {shot_key} was made with {made}, {bundle} is {fingerprint[:8]}; name the right one"
        )


def _other_recipe(made_by: MadeBy) -> str:
    then = made_by.recipe_version
    return "" if then == RECIPE_VERSION else f"It was made by version {then} of the recipes, this is {RECIPE_VERSION}."


def _bytes(objects: Objects, ref: ImageRef) -> bytes:
    return objects.get(ref.key, ref.sha256 or None)


def _portrait(objects: Objects, shot: Shot) -> bytes | None:
    if shot.persona is None or shot.portrait_key is None:
        return None
    return _bytes(objects, shot.persona.portrait or ImageRef(object_keys.portrait(shot.portrait_key), ""))
