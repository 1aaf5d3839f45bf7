"""The domain types: what a team asks for, and what comes of it.

Frozen pydantic dataclasses, so that the catalog, Airflow and the generation service share them without importing each
other, and so that a limit stands where the field does: it holds at import, at planning and at the service's API.
JSON in and out goes through ``pydantic.TypeAdapter(Shot)``.

What a catalog holds already may be older than a limit and stays readable, with ``context=STORED`` of
:mod:`brief.limits`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from brief.face_spec import FaceSpec
from brief.limits import LEGIBLE, LIMITED, NUMBER, ONE_NAME

CONFIG = ConfigDict(extra="forbid")
_CENTIMETRES = {"mm": 0.1, "cm": 1.0, "m": 100.0, "in": 2.54}
_HEIGHT = re.compile(r"(\d{1,6}(?:[.,]\d{1,6})?) ?(mm|cm|m|in)")
MAX_NAME = 128
"""Longest SKU or name, in characters: it is a key in the database, a part of object keys and a label in Airflow."""
MAX_SIZE = 4096
"""Longest edge of a composed picture in pixels."""
MAX_RENDITION = 8192
"""Longest edge of a rendition in pixels."""

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME), ONE_NAME, LIMITED]
"""A SKU or a name, by which rows refer to each other."""
Title = Annotated[str, Field(min_length=1, max_length=300), LEGIBLE, LIMITED]
Description = Annotated[str, Field(min_length=1, max_length=1000), LEGIBLE, LIMITED]
Phrase = Annotated[str, Field(max_length=1000), LEGIBLE, LIMITED]
"""Text that may be empty: what is added to prompts, categories, values of attributes."""
Prompt = Annotated[str, Field(max_length=8000), LEGIBLE, LIMITED]
"""Composed of a title, descriptions and added words, each within its own limit."""
Seed = Annotated[int, Field(ge=0, lt=2**32), NUMBER, LIMITED]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), LIMITED]
Edge = Annotated[int, Field(ge=0, le=MAX_SIZE, multiple_of=8), NUMBER, LIMITED]
"""Of a composed picture, in pixels; latents are eight times smaller."""


class Framing(StrEnum):
    """How a picture is laid out; :mod:`generation.scene.layout` turns it into regions."""

    HELD = "held"
    """The person with the product in hand."""
    PLINTH = "plinth"
    """The person, the product beside on a plinth."""
    CLOSE_UP = "close-up"
    """The product large in front, the person behind."""
    STILL = "still"
    """The product alone in the place."""

    @property
    def has_person(self) -> bool:
        return self is not Framing.STILL


ASPECTS = (1.0, 4 / 5, 9 / 16, 16 / 9)
"""Width over height of the pictures for which framings are made; others take the nearest one's."""


class Verdict(StrEnum):
    """What happens to a take."""

    ACCEPT = "accept"
    REVIEW = "review"
    RETAKE = "retake"
    REJECT = "reject"


@dataclass(frozen=True, slots=True, config=CONFIG)
class ImageRef:
    """An image in the bucket: its object key and the SHA-256 (hex) of its bytes."""

    key: Annotated[str, Field(max_length=1024), LEGIBLE, LIMITED]
    sha256: Annotated[str, Field(max_length=64), LIMITED]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Product:
    """A row of the catalog. ``title`` goes into the prompt as it stands ("red striped mug").

    Attributes:
        views: further pictures of it; nothing is cut out of them.
        doubts: what its import found doubtful in the packshot and no person has approved yet; while there are any,
            nothing is made of the product.
    """

    sku: Name
    title: Title
    category: Phrase
    packshot: ImageRef
    attributes: Mapping[Phrase, Phrase] = field(default_factory=dict)
    views: tuple[ImageRef, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def height_cm(self) -> float | None:
        """Its height in centimetres, by the attribute ``height`` ("24 cm", "240 mm", "9.5 in") or ``height_cm``
        ("24"): how large it is beside a person. ``None`` where neither says."""
        given = _HEIGHT.fullmatch(self.attributes.get("height", "").strip().lower())
        if given:
            return float(given[1].replace(",", ".")) * _CENTIMETRES[given[2]] or None
        plain = _HEIGHT.fullmatch(self.attributes.get("height_cm", "").strip() + " cm")
        return float(plain[1].replace(",", ".")) or None if plain else None


@dataclass(frozen=True, slots=True, config=CONFIG)
class Environment:
    """A place. ``description`` goes into the prompt ("on a beach").

    Attributes:
        surface: where in the photo the ground or table begins on which products stand, as a share of its height from
            above; ``None`` where it is to be found in the photo.
    """

    name: Name
    description: Description
    photo: ImageRef
    surface: Share | None = None


@dataclass(frozen=True, slots=True, config=CONFIG)
class Persona:
    """A synthetic person: chosen features and a seed give the portrait.

    ``portrait`` is set only when a team brought its own portrait of a synthetic person; else it is synthesised.
    """

    name: Name
    face: FaceSpec
    seed: Seed
    portrait: ImageRef | None = None


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of a picture in fractions of its width and height, 0 to 1 from its left and top edge."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Composition:
    """What is where in a composed picture, recorded with the take.

    Attributes:
        areas: of the ``product`` and, where somebody is shown, the ``face``.
        kept: which parts hold pixels of what the team delivered: ``product``, ``place``, ``face``.
    """

    areas: Mapping[str, Area]
    kept: tuple[str, ...]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Rendition:
    """A size in which an accepted picture is published, and the rules of its channel.

    ``name`` becomes a file name: small letters, digits, ``-`` and ``_``.

    Attributes:
        width, height: in pixels; less of the same shape where the picture has less, unless it may be enlarged.
        format: a name of :data:`brief.formats.RENDITION_FORMATS`.
        quality: as Pillow takes it.
        min_edge: fewest pixels of the shorter edge.
        max_bytes: largest file; the quality is lowered until it fits. 0 means any.
        full_colour: colour in full resolution (4:4:4), for labels.
        enlarge: more pixels than the picture has may be made up.
        fill: the product alone on exact white, its longer side filling this share of the frame; 0 is the whole scene.
        layer: one layer of the picture, of the picture's own size whatever is asked: the empty ``place``, the contact
            ``shadow`` (black, to be multiplied), the ``person`` with all else that was drawn, the ``product`` cut out.
            Laid on each other in this order they give the picture. ``drawn`` is person and shadow in one.
    """

    name: Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]*$"), LIMITED]
    width: Annotated[int, Field(ge=1, le=MAX_RENDITION), NUMBER, LIMITED]
    height: Annotated[int, Field(ge=1, le=MAX_RENDITION), NUMBER, LIMITED]
    format: Name = "webp"
    quality: Annotated[int, Field(ge=1, le=100), NUMBER, LIMITED] = 85
    min_edge: Annotated[int, Field(ge=0, le=MAX_RENDITION), NUMBER, LIMITED] = 0
    max_bytes: Annotated[int, Field(ge=0), NUMBER, LIMITED] = 0
    full_colour: bool = False
    enlarge: bool = False
    fill: Share = 0.0
    layer: Literal["", "place", "shadow", "person", "drawn", "product"] = ""


@dataclass(frozen=True, slots=True, config=CONFIG)
class Campaign:
    """Which products in which places with whom, how framed, how many, how good, how much.

    Attributes:
        products: SKUs; empty means every product of the catalog.
        environments, personas: names, at least one of each (personas may be empty if every framing is ``STILL``).
        shots_per_product: ``None`` makes every combination; a number makes that many per product, spread over the
            environments first, so that each product is seen in several places.
        variants: pictures per combination, each with its own seed.
        width, height: of the composed picture in pixels; 0 takes the bundle's own size, or as many pixels in the
            aspect of the renditions where that is one of :data:`ASPECTS`.
        style: a picture whose look all pictures take on, where the bundle has an adapter for it.
        recipe: name of a preset of :mod:`brief.recipe`.
        prompt, negative: words added to every prompt, words to avoid.
        thresholds: overrides of the bundle's calibrated thresholds, per dimension of the scorecard.
        max_takes: attempts per shot, 1 or more.
        max_shots: budget; what does not fit is left out and reported. 0 means no limit.
        language: of the alt texts, as in BCP 47.
    """

    name: Name
    title: Phrase
    products: tuple[Name, ...]
    environments: tuple[Name, ...]
    personas: tuple[Name, ...]
    framings: tuple[Framing, ...]
    shots_per_product: Annotated[int, Field(ge=1, le=100_000), NUMBER, LIMITED] | None = None
    variants: Annotated[int, Field(ge=1, le=100), NUMBER, LIMITED] = 1
    width: Edge = 0
    height: Edge = 0
    recipe: Name = "standard"
    prompt: Phrase = ""
    negative: Phrase = ""
    renditions: tuple[Rendition, ...] = ()
    thresholds: Mapping[Name, Share] = field(default_factory=dict)
    max_takes: Annotated[int, Field(ge=1, le=20), NUMBER, LIMITED] = 2
    max_shots: Annotated[int, Field(ge=0, le=100_000_000), NUMBER, LIMITED] = 0
    seed: Annotated[int, Field(ge=0, lt=2**63), NUMBER, LIMITED] = 0
    language: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35), LIMITED] = "en"
    style: ImageRef | None = None


@dataclass(frozen=True, slots=True, config=CONFIG)
class Shot:
    """One picture that is wanted, with all that decides its pixels; ``key`` is the digest over it.

    See :func:`brief.recipe.shot_key` for what the digest covers.
    """

    key: str
    campaign: Name
    product: Product
    environment: Environment
    persona: Persona | None
    portrait_key: str | None
    framing: Framing
    variant: Annotated[int, Field(ge=0), NUMBER, LIMITED]
    prompt: Prompt
    negative: Prompt
    seed: Seed
    width: Edge
    height: Edge
    recipe: Name
    thresholds: Mapping[Name, Share]
    max_takes: Annotated[int, Field(ge=1), NUMBER, LIMITED]
    style: ImageRef | None = None


CAMPAIGN_IMAGES = ("style",)
"""Adapter roles whose image a campaign may give to all its pictures: fields of :class:`Campaign` and :class:`Shot`."""


def campaign_images(row: Campaign | Shot) -> dict[str, ImageRef]:
    """The images that a campaign gives to all its pictures, by role; a role without one is not in it."""
    return {role: image for role in CAMPAIGN_IMAGES if (image := getattr(row, role)) is not None}


@dataclass(frozen=True, slots=True, config=CONFIG)
class Take:
    """One attempt at a shot. ``number`` counts from 1; ``changes`` are targeted overrides of the recipe's numbers
    (for instance ``{"product_strength": 0.9}``) that the scorecard of the take before asked for; ``words`` are what a
    person who asked for the take added to the shot's prompt."""

    key: str
    shot_key: str
    number: Annotated[int, Field(ge=1), NUMBER, LIMITED]
    seed: Seed
    changes: Mapping[str, Annotated[float, Field(allow_inf_nan=False)]] = field(default_factory=dict)
    words: Phrase = ""


@dataclass(frozen=True, slots=True, config=CONFIG)
class Threshold:
    """What one dimension must reach: at or above ``accept`` it is good, from ``review`` a person decides."""

    accept: Share
    review: Share


@dataclass(frozen=True, slots=True, config=CONFIG)
class Measurements:
    """What the generation service measured of a take's picture; no judgement.

    Attributes:
        values: per dimension of :mod:`brief.dimensions` that could be measured, 0 to 1, higher is better.
        unavailable: dimensions that could not be measured, and why.
        kept: dimensions whose pixels are the packshot's, the photo's or the portrait's own, checked to be so: there is
            nothing to measure, since no take can differ in them.
        altered: dimensions whose pixels should be kept and are not all: the share of them that is not.
        scorers: fingerprint of what measured; empty where nobody noted it.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    unavailable: Mapping[str, str] = field(default_factory=dict)
    kept: tuple[str, ...] = ()
    altered: Mapping[str, float] = field(default_factory=dict)
    scorers: str = ""


class Reason(StrEnum):
    """Why a take is not simply accepted."""

    LOW = "low"
    """A dimension is below its threshold."""
    UNAVAILABLE = "unavailable"
    """A dimension that must be known was not measured."""
    ALTERED = "altered"
    """Pixels that should be the originals' own are not."""
    UNCALIBRATED = "uncalibrated"
    """Nobody knows yet what the scores of these models mean."""
    EARLIER = "earlier"
    """A sentence of a scorecard that was judged before findings were data."""


@dataclass(frozen=True, slots=True, config=CONFIG)
class Finding:
    """One reason of a verdict, as data; :func:`brief.dimensions.sentence` puts it into words.

    Attributes:
        dimension: of :mod:`brief.dimensions`; empty for a reason that concerns the whole take.
        value, threshold: of what is low; the threshold is the lower one where the value is below both. Of what is
            altered, ``value`` is the share of its pixels.
        why: of what is unavailable.
    """

    reason: Reason
    dimension: str = ""
    value: float | None = None
    threshold: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, config=CONFIG)
class Scorecard:
    """A take's measurements as they were judged last: the verdict, and what was found wrong."""

    measured: Measurements
    verdict: Verdict
    findings: tuple[Finding, ...] = ()

    @property
    def values(self) -> Mapping[str, float]:
        """Per measured dimension, 0 to 1."""
        return self.measured.values

    @property
    def low(self) -> tuple[str, ...]:
        """Dimensions below their threshold, of which a further take may cure some."""
        return tuple(each.dimension for each in self.findings if each.reason is Reason.LOW)


@dataclass(frozen=True, slots=True, config=CONFIG)
class Publication:
    """What was published for a shot: object keys and SHA-256 of the master, each rendition and the manifest, and the
    alt text (empty before there was one)."""

    shot_key: str
    take_key: str
    master: ImageRef
    renditions: Mapping[str, ImageRef]
    manifest: ImageRef
    alt_text: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """The words that a bundle's models want besides those of a campaign.

    Attributes:
        prefix: what every prompt begins with ("photo of"). Where there is one, prompts are phrased for models of
            photographs; where there is none, as the captions on which the starter bundle is trained.
        negative: what no picture should show.
    """

    prefix: str = ""
    negative: str = ""


@dataclass(frozen=True, slots=True)
class BundleInfo:
    """A bundle of models, as the plan, the service and a manifest speak of it.

    Attributes:
        width, height: the models' own picture size in pixels.
        stand_in: the weights are random.
        thresholds: per dimension of the scorecard.
        calibrated: from how many labelled takes the thresholds were made; 0 for starting values.
        scorers: fingerprint of what measures takes beside it; empty where that is not known.
        recipe: the numbers by which the bundle departs from the named presets.
        words: what its models want to be told besides.
    """

    name: str
    fingerprint: str
    width: int
    height: int
    licence: str
    commercial: bool
    stand_in: bool
    thresholds: Mapping[str, Threshold] = field(default_factory=dict)
    recipe: Mapping[str, float] = field(default_factory=dict)
    words: Words = field(default_factory=Words)
    calibrated: int = 0
    scorers: str = ""


@dataclass(frozen=True, slots=True)
class MadeBy:
    """Who made an output, as the generation service says with it: models, version of the recipes, versions of the
    software by package name, and the device (``cpu``, ``cuda: NVIDIA L4``)."""

    bundle: BundleInfo
    recipe_version: int
    software: Mapping[str, str]
    device: str
