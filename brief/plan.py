"""From a campaign to its shots.

The plan is a pure function: the same campaign, rows and bundle always give the same shots in the same order. A new
environment or product changes only the shots it takes part in, since combinations are ranked by digest, not by place
in a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from brief import dimensions
from brief.formats import RENDITION_FORMATS
from brief.prompts import shot_negative, shot_prompt
from brief.recipe import RECIPES, digest, key_of, portrait_key, seed_of
from brief.types import BundleInfo, Campaign, Environment, Framing, Persona, Product, Shot

MAX_SIZE = 4096
"""Longest edge of a composed picture in pixels."""
MAX_RENDITION = 8192
"""Longest edge of a rendition in pixels."""


class PlanError(ValueError):
    """A campaign that cannot be planned; says which campaign, what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The shots of a campaign, and how many more the budget left out."""

    shots: tuple[Shot, ...]
    left_out: int


def plan(
    campaign: Campaign,
    products: Mapping[str, Product],
    environments: Mapping[str, Environment],
    personas: Mapping[str, Persona],
    bundle: BundleInfo,
) -> Plan:
    """Make the shots of ``campaign`` from the catalog's rows, keyed by SKU or name.

    Raises:
        PlanError: an empty list of environments, framings or personas, a name the catalog does not have, an unknown
            recipe, a number below 1.
    """
    check_campaign(campaign, products, environments, personas)
    chosen = [products[sku] for sku in campaign.products] if campaign.products else list(products.values())
    shots: dict[str, Shot] = {}
    for product in sorted(chosen, key=lambda row: row.sku):
        for environment, persona, framing in _combinations(campaign, product.sku):
            person = personas[persona] if persona else None
            for variant in range(campaign.variants):
                shot = _shot(campaign, product, environments[environment], person, framing, variant, bundle)
                shots.setdefault(shot.key, shot)
    wanted = list(shots.values())
    kept = wanted[: campaign.max_shots] if campaign.max_shots else wanted
    return Plan(tuple(kept), len(wanted) - len(kept))


def check_campaign(
    campaign: Campaign,
    products: Mapping[str, Product],
    environments: Mapping[str, Environment],
    personas: Mapping[str, Persona],
) -> None:
    """Raise the :class:`PlanError` that :func:`plan` would, without planning."""
    problem = (
        _empty_list(campaign)
        or _unknown_name(campaign, products, environments, personas)
        or _number_out_of_range(campaign)
        or _unusable_rendition(campaign)
    )
    if problem:
        raise PlanError(f"campaign {campaign.name!r}: {problem}")


def _empty_list(campaign: Campaign) -> str | None:
    if not campaign.environments:
        return "its list of environments is empty; name at least one"
    if not campaign.framings:
        return "its list of framings is empty; name at least one"
    if not campaign.personas and any(framing.has_person for framing in campaign.framings):
        return "its framings show a person, but its list of personas is empty; name at least one"
    return None


def _unknown_name(
    campaign: Campaign,
    products: Mapping[str, Product],
    environments: Mapping[str, Environment],
    personas: Mapping[str, Persona],
) -> str | None:
    for kind, asked, known in (
        ("product", campaign.products, products),
        ("environment", campaign.environments, environments),
        ("persona", campaign.personas, personas),
    ):
        missing = [name for name in asked if name not in known]
        if missing:
            some = ", ".join(sorted(known)[:20]) or "none at all"
            return f"{kind} {missing[0]!r} is not in the catalog, which has {some}"
    if campaign.recipe not in RECIPES:
        return f"recipe {campaign.recipe!r} is unknown; there are {', '.join(RECIPES)}"
    return None


def _number_out_of_range(campaign: Campaign) -> str | None:
    for name in ("variants", "max_takes"):
        if getattr(campaign, name) < 1:
            return f"{name} is {getattr(campaign, name)}, it must be 1 or more"
    if campaign.shots_per_product is not None and campaign.shots_per_product < 1:
        return f"shots_per_product is {campaign.shots_per_product}, it must be 1 or more, or left out"
    if campaign.max_shots < 0:
        return f"max_shots is {campaign.max_shots}, it must be 1 or more, or 0 for no limit"
    for name in ("width", "height"):
        size = getattr(campaign, name)
        if size % 8 or not 0 <= size <= MAX_SIZE:
            return f"{name} is {size}, it must be a multiple of 8 up to {MAX_SIZE}, or 0 for the bundle's own"
    if strange := dimensions.unknown(campaign.thresholds):
        return strange
    for name, cut in campaign.thresholds.items():
        if not 0 <= cut <= 1:
            return f"threshold {name!r} is {cut}, it must lie between 0 and 1"
    return None


def _unusable_rendition(campaign: Campaign) -> str | None:
    names = [rendition.name for rendition in campaign.renditions]
    for rendition in campaign.renditions:
        who = f"rendition {rendition.name!r}"
        if names.count(rendition.name) > 1:
            return f"{who} is there twice; give each its own name"
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", rendition.name):
            return f"{who} becomes a file name: use small letters, digits, - and _"
        if rendition.format not in RENDITION_FORMATS:
            return f"{who}: format is {rendition.format!r}, it must be one of {', '.join(RENDITION_FORMATS)}"
        if not (1 <= rendition.width <= MAX_RENDITION and 1 <= rendition.height <= MAX_RENDITION):
            return f"{who}: {rendition.width} x {rendition.height} pixels, edges must be 1 to {MAX_RENDITION}"
        if not 1 <= rendition.quality <= 100:
            return f"{who}: quality is {rendition.quality}, it must be 1 to 100"
    return None


def _combinations(campaign: Campaign, sku: str) -> Iterator[tuple[str, str | None, Framing]]:
    """(environment, persona, framing) for one product: all of them, or ``shots_per_product`` spread over places."""
    places = _ranked(campaign.environments, campaign.seed, sku, "environment")
    if campaign.shots_per_product is None:
        for place in places:
            for framing in campaign.framings:
                for persona in campaign.personas if framing.has_person else (None,):
                    yield place, persona, framing
        return
    framings = _ranked([framing.value for framing in campaign.framings], campaign.seed, sku, "framing")
    people = _ranked(campaign.personas, campaign.seed, sku, "persona")
    for index in range(campaign.shots_per_product):
        framing = Framing(framings[index % len(framings)])
        persona = people[index % len(people)] if framing.has_person else None
        yield places[index % len(places)], persona, framing


def _ranked(names: Sequence[str], *salt: object) -> list[str]:
    """Names in an order drawn by digest, so that one more name leaves the others in their order."""
    return sorted(dict.fromkeys(names), key=lambda name: digest([*salt, name]))


def _shot(
    campaign: Campaign,
    product: Product,
    environment: Environment,
    persona: Persona | None,
    framing: Framing,
    variant: int,
    bundle: BundleInfo,
) -> Shot:
    face = persona.face if persona else None
    who = persona.name if persona else None
    seed = seed_of(campaign.name, campaign.seed, product.sku, environment.name, who, framing.value, variant)
    size = (campaign.width or bundle.width, campaign.height or bundle.height)
    portrait = portrait_key(persona, bundle.fingerprint) if persona else None
    shot = Shot(
        key="",
        campaign=campaign.name,
        product=product,
        environment=environment,
        persona=persona,
        portrait_key=portrait,
        framing=framing,
        variant=variant,
        prompt=shot_prompt(product, environment, face, framing, campaign.prompt, bundle.words),
        negative=shot_negative(campaign.negative, face, bundle.words),
        seed=seed,
        width=size[0],
        height=size[1],
        recipe=campaign.recipe,
        thresholds=campaign.thresholds,
        max_takes=campaign.max_takes,
    )
    return replace(shot, key=key_of(shot, bundle.fingerprint))
