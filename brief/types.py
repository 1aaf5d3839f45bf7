"""The words of the house as types: what a team asks for, and what comes of it.

Plain frozen dataclasses, standard library only, so that the catalog, Airflow and the generation service share them
without importing each other. JSON in and out goes through ``pydantic.TypeAdapter(Shot)`` where pydantic is at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from brief.face_spec import FaceSpec


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


class Verdict(StrEnum):
    """What happens to a take."""

    ACCEPT = "accept"
    REVIEW = "review"
    RETAKE = "retake"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image in the bucket: its object key and the SHA-256 (hex) of its bytes."""

    key: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Product:
    """A row of the catalog. ``title`` goes into the prompt as it stands ("red striped mug")."""

    sku: str
    title: str
    category: str
    packshot: ImageRef
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Environment:
    """A place. ``description`` goes into the prompt ("on a beach")."""

    name: str
    description: str
    photo: ImageRef


@dataclass(frozen=True, slots=True)
class Persona:
    """A synthetic person: chosen features and a seed give the portrait.

    ``portrait`` is set only when a team brought its own portrait of a synthetic person; else it is synthesised.
    """

    name: str
    face: FaceSpec
    seed: int
    portrait: ImageRef | None = None


@dataclass(frozen=True, slots=True)
class Rendition:
    """A size in which an accepted picture is published. ``format`` is a name of
    :data:`brief.formats.RENDITION_FORMATS`; edges in pixels."""

    name: str
    width: int
    height: int
    format: str = "webp"
    quality: int = 85


@dataclass(frozen=True, slots=True)
class Campaign:
    """Which products in which places with whom, how framed, how many, how good, how much.

    Attributes:
        products: SKUs; empty means every product of the catalog.
        environments, personas: names, at least one of each (personas may be empty if every framing is ``STILL``).
        shots_per_product: ``None`` makes every combination; a number makes that many per product, spread over the
            environments first, so that each product is seen in several places.
        variants: pictures per combination, each with its own seed.
        width, height: of the composed picture in pixels; 0 takes the bundle's own size.
        recipe: name of a preset of :mod:`brief.recipe`.
        prompt, negative: words added to every prompt, words to avoid.
        thresholds: overrides of the bundle's calibrated cuts, per dimension of the scorecard.
        max_takes: attempts per shot, 1 or more.
        max_shots: budget; what does not fit is left out and reported. 0 means no limit.
    """

    name: str
    title: str
    products: tuple[str, ...]
    environments: tuple[str, ...]
    personas: tuple[str, ...]
    framings: tuple[Framing, ...]
    shots_per_product: int | None = None
    variants: int = 1
    width: int = 0
    height: int = 0
    recipe: str = "standard"
    prompt: str = ""
    negative: str = ""
    renditions: tuple[Rendition, ...] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    max_takes: int = 2
    max_shots: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture that is wanted, with all that decides its pixels; ``key`` is the digest over it.

    See :func:`brief.recipe.shot_key` for what the digest covers.
    """

    key: str
    campaign: str
    product: Product
    environment: Environment
    persona: Persona | None
    portrait_key: str | None
    framing: Framing
    variant: int
    prompt: str
    negative: str
    seed: int
    width: int
    height: int
    recipe: str
    thresholds: Mapping[str, float]
    max_takes: int


@dataclass(frozen=True, slots=True)
class Take:
    """One attempt at a shot. ``number`` counts from 1; ``changes`` are targeted overrides of the recipe's numbers
    (for instance ``{"product_strength": 0.9}``) that the scorecard of the take before asked for; ``words`` are what a
    person who asked for the take added to the shot's prompt."""

    key: str
    shot_key: str
    number: int
    seed: int
    changes: Mapping[str, float] = field(default_factory=dict)
    words: str = ""


@dataclass(frozen=True, slots=True)
class Scorecard:
    """A take's score per dimension (each 0 to 1, higher is better), the verdict and its reasons in words.

    Attributes:
        low: dimensions below their threshold, of which a further take may cure some.
        unavailable: dimensions that could not be measured, and why.
    """

    values: Mapping[str, float]
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    low: tuple[str, ...] = ()
    unavailable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Publication:
    """What was published for a shot: object keys and SHA-256 of the master, each rendition and the manifest."""

    shot_key: str
    take_key: str
    master: ImageRef
    renditions: Mapping[str, ImageRef]
    manifest: ImageRef


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
        thresholds: per dimension of the scorecard, its ``accept`` and ``review``.
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
    thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    recipe: Mapping[str, float] = field(default_factory=dict)
    words: Words = field(default_factory=Words)


@dataclass(frozen=True, slots=True)
class MadeBy:
    """Who made an output, as the generation service says with it: models, version of the recipes, versions of the
    software by package name, and the device (``cpu``, ``cuda: NVIDIA L4``)."""

    bundle: BundleInfo
    recipe_version: int
    software: Mapping[str, str]
    device: str
