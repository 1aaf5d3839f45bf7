"""What pages show of a shot: its picture, its references, its scores with their thresholds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from brief.types import Framing, Persona, Product, Shot, Take
from gallery_web import stores
from storage.bucket import keys as object_keys
from storage.catalog import runs, search
from storage.catalog.catalog import Catalog
from storage.catalog.records import ShotRecord, TakeRecord
from storage.catalog.runs import RunKey

MAPS = "heat maps"
"""Kind of the reference that says which adapter drew what."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A picture that a shot was made from."""

    kind: str
    name: str
    key: str | None


@dataclass(frozen=True, slots=True)
class Score:
    """A measured dimension: 0 to 1, and what it must reach to be accepted, where that is known."""

    dimension: str
    value: float
    accept: float | None

    @property
    def low(self) -> bool:
        return self.accept is not None and self.value < self.accept


@dataclass(frozen=True, slots=True)
class Choices:
    """What the lists of a search form offer."""

    campaigns: tuple[str, ...]
    environments: tuple[str, ...]
    personas: tuple[str, ...]
    framings: tuple[str, ...] = tuple(framing.value for framing in Framing)


def choices(catalog: Catalog) -> Choices:
    """Everything that the catalog has, at most :data:`storage.catalog.search.LISTED` names in each list."""
    with catalog.begin() as session:
        return Choices(*search.names(session))


def in_words(shot: Shot) -> str:
    """A shot in one line: "red mug in beach with ana"."""
    who = f" with {shot.persona.name}" if shot.persona else ""
    return f"{shot.product.title} in {shot.environment.name}{who}"


_KINDS = {"scheduled": "by schedule", "manual": "by hand", "backfill": "backfill", "asset_triggered": "after an event"}


def run_in_words(key: RunKey) -> str:
    """A run as people say it, "catalog, backfill, 2026-10-30 02:00", where its id is one of Airflow's own."""
    kind, _, when = key.run_id.partition("__")
    if kind not in _KINDS or not re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d", when):
        return f"{key.dag_id}, {key.run_id}"
    return f"{key.dag_id}, {_KINDS[kind]}, {when[:10]} {when[11:16]}"


def shown(record: ShotRecord) -> str | None:
    """Key of the picture that stands for a shot: of the published take, else of the latest. Published files come last:
    a shot that is made again has another picture under the same key, and browsers keep what they have seen."""
    picture = picture_of(record.take) if record.take else None
    return picture or (record.publication.master.key if record.publication else None)


def picture_of(take: TakeRecord) -> str | None:
    """Key of a take's best picture."""
    image = take.refined or take.composed
    return image.key if image else None


def portrait_of(persona: Persona | None, key: str | None) -> str | None:
    """Object key of a persona's portrait."""
    if persona is not None and persona.portrait is not None:
        return persona.portrait.key
    return object_keys.portrait(key) if key else None


def portrait_key_of(persona: Persona) -> str | None:
    """Object key of a persona's portrait as it is now: one that was brought or chosen, else the one drawn last."""
    if persona.portrait is not None:
        return persona.portrait.key
    drawn = stores.catalog().portraits().get(persona.name)
    return drawn.key if drawn else None


def references(shot: Shot, take: Take | None) -> list[Reference]:
    """Packshot, place, what was cut out of the packshot, portrait, and heat maps of the take where somebody asked for
    them (DAG ``heat_maps``, ``lookbook explain``)."""
    found = [
        Reference("packshot", shot.product.sku, shot.product.packshot.key),
        Reference("place", shot.environment.name, shot.environment.photo.key),
    ]
    if cut := cutout_of(shot.product):
        found.append(Reference("cut-out", shot.product.sku, cut))
    if shot.persona:
        found.append(Reference("portrait", shot.persona.name, portrait_of(shot.persona, shot.portrait_key)))
    if take is not None and stores.objects().exists(maps := object_keys.attribution(take)):
        found.append(Reference(MAPS, "which adapter drew what", maps))
    return found


def cutout_of(product: Product) -> str | None:
    """Key of what was cut out of a product's packshot: by the service, as its pictures show it, else by its import."""
    sha256 = product.packshot.sha256
    known = (object_keys.cut_product(sha256), object_keys.cutout(sha256))
    return next((key for key in known if stores.objects().exists(key)), None)


def scores(take: TakeRecord, limits: Mapping[str, float]) -> list[Score]:
    """A take's measured dimensions, the lowest against its threshold first."""
    if take.scorecard is None:
        return []
    found = [Score(name, value, limits.get(name)) for name, value in take.scorecard.values.items()]
    return sorted(found, key=lambda score: score.value - (score.accept or 0.0))


def limits_of(shot: Shot, bundle: Mapping[str, float]) -> dict[str, float]:
    """What each dimension must reach: the campaign's own thresholds over the bundle's."""
    return {**bundle, **shot.thresholds}


def bundle_limits() -> dict[str, float]:
    """Thresholds of the bundle that the latest run planned with; none where no run is recorded."""
    with stores.catalog().begin() as session:
        for record in runs.latest_runs(session, 5):
            if found := record.found.get("thresholds"):
                return {str(name): float(limit["accept"]) for name, limit in found.items()}
    return {}
