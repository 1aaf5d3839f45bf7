"""Rows, plans and takes for tests."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from brief.face_spec import FaceSpec
from brief.plan import Plan, plan
from brief.recipe import take
from brief.types import (
    BundleInfo,
    Campaign,
    Environment,
    Finding,
    Framing,
    ImageRef,
    MadeBy,
    Measurements,
    Persona,
    Product,
    Publication,
    Reason,
    Scorecard,
    Shot,
    Take,
    Verdict,
)
from storage.catalog.catalog import Catalog
from storage.catalog.records import StageOutput
from storage.catalog.runs import RunKey

RUN = RunKey("campaign", "run-1")
BUNDLE = BundleInfo("starter", "f" * 32, 128, 128, "Apache-2.0", commercial=True, stand_in=True)
MADE_BY = MadeBy(BUNDLE, 2, {"torch": "2.13.0"}, "cpu")


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def ref(text: str) -> ImageRef:
    return ImageRef(f"catalog/{text}.png", sha(text))


def product(sku: str = "MUG-1", **changes: Any) -> Product:
    return Product(**{"sku": sku, "title": "red mug", "category": "mug", "packshot": ref(sku), **changes})


def environment(name: str = "beach", **changes: Any) -> Environment:
    return Environment(**{"name": name, "description": f"on a {name}", "photo": ref(name), **changes})


def persona(name: str = "ana", **changes: Any) -> Persona:
    return Persona(**{"name": name, "face": FaceSpec(age_band="senior", skin_tone=4), "seed": 7, **changes})


def campaign(name: str = "autumn", **changes: Any) -> Campaign:
    values: dict[str, Any] = {
        "name": name,
        "title": "Autumn",
        "products": (),
        "environments": ("beach",),
        "personas": ("ana",),
        "framings": (Framing.HELD,),
        "thresholds": {"product": 0.5},
    }
    return Campaign(**{**values, **changes})


def plan_of(catalog: Catalog, wanted: Campaign) -> Plan:
    return plan(wanted, catalog.products(), catalog.environments(), catalog.personas(), BUNDLE)


def a_shot(**changes: Any) -> Shot:
    """One shot, of no catalog."""
    rows = {"MUG-1": product()}, {"beach": environment()}, {"ana": persona()}
    return replace(plan(campaign(), *rows, BUNDLE).shots[0], **changes)


def planned(catalog: Catalog, skus: tuple[str, ...] = ("MUG-1",), **changes: Any) -> list[Shot]:
    """Fill the catalog, plan a campaign and return its outstanding shots."""
    wanted = campaign(**changes)
    catalog.save_products(product(sku) for sku in skus)
    catalog.save_environments(environment(name) for name in wanted.environments)
    catalog.save_personas(persona(name) for name in wanted.personas)
    catalog.save_campaigns([wanted])
    catalog.record_plan(wanted, plan_of(catalog, wanted), RUN)
    return catalog.outstanding(wanted.name)


def scored(
    catalog: Catalog, shot: Shot, number: int = 1, verdict: Verdict = Verdict.ACCEPT, value: float = 0.75
) -> tuple[Take, Scorecard]:
    """A take that went through all stages."""
    made = take(shot.key, shot.seed, number)
    catalog.record_output(made, "compose", StageOutput(ref(f"{made.key}-composed"), 2.5, MADE_BY))
    catalog.record_output(made, "refine", StageOutput(ref(f"{made.key}-refined"), 1.25, MADE_BY))
    card = Scorecard(Measurements({"product": value}), verdict, (Finding(Reason.EARLIER, why="the product is small"),))
    catalog.record_scorecard(made.key, card, StageOutput(ref(f"{made.key}-scorecard"), 0.5, MADE_BY))
    return made, card


def published(catalog: Catalog, shot: Shot) -> Publication:
    """A shot that is published with its first take."""
    made, _ = scored(catalog, shot)
    publication = Publication(shot.key, made.key, ref(f"{shot.key}-master"), {}, ref(f"{shot.key}-manifest"))
    catalog.record_publication(publication, RUN)
    return publication
