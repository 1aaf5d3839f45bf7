"""From a campaign to its shots.

The plan is a pure function: the same campaign, rows and bundle always give the same shots in the same order. A new
product changes nothing of the others; a new environment, persona or framing changes only the combinations that it
takes part in, or with ``shots_per_product`` few others.

A campaign takes for a product either all combinations of place, person and framing, or ``shots_per_product`` distinct
ones, spread: places take turns, so that none is taken more than
once more often than another. At its turn a place takes the next of its pairs of framing and persona, in an order drawn
by digest for product and place, passing over framings and personas that are ahead of the others: none comes twice
before all came once, and later they may lead by one. The slack is what lets one more name change few combinations:
where counts are held equal at every turn, each change moves all turns after it (measured over 60 products, 24 of 96
combinations, a seventh place: 6.8 change; with equal counts 11; no method can do with less than 3.4).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from brief import channels, dimensions
from brief.errors import BriefError
from brief.limits import explained
from brief.prompts import shot_negative, shot_prompt
from brief.recipe import RECIPES, digest, key_of, portrait_key, seed_of
from brief.types import (
    ASPECTS,
    CAMPAIGN_IMAGES,
    BundleInfo,
    Campaign,
    Environment,
    Framing,
    Persona,
    Product,
    Shot,
    campaign_images,
)

Combination = tuple[str, str | None, Framing]
"""Names of place and persona, and the framing; no persona where it shows nobody."""
Pair = tuple[str | None, Framing]
"""The same at one place."""


def combinations_of(campaign: Campaign, sku: str) -> Iterator[Combination]:
    """The distinct combinations that ``campaign`` takes for a product: :func:`shots_of_each` of them, divided by its
    variants."""
    if campaign.shots_per_product is None or campaign.shots_per_product >= _all_combinations(campaign):
        yield from _everything(campaign, sku)
    else:
        yield from _spread(campaign, sku, campaign.shots_per_product)


def shots_of_each(campaign: Campaign) -> int:
    """How many shots a campaign takes of each product."""
    everything = _all_combinations(campaign)
    return min(campaign.shots_per_product or everything, everything) * campaign.variants


def _all_combinations(campaign: Campaign) -> int:
    places, people, framings = (
        len(set(names)) for names in (campaign.environments, campaign.personas, campaign.framings)
    )
    alone = sum(1 for framing in set(campaign.framings) if not framing.has_person)
    return places * ((framings - alone) * people + alone)


def _everything(campaign: Campaign, sku: str) -> Iterator[Combination]:
    places = dict.fromkeys(campaign.environments)
    for place in sorted(places, key=lambda name: digest([campaign.seed, sku, "environment", name])):
        for framing in dict.fromkeys(campaign.framings):
            for persona in dict.fromkeys(campaign.personas) if framing.has_person else (None,):
                yield place, persona, framing


def _spread(campaign: Campaign, sku: str, wanted: int) -> Iterator[Combination]:
    salt = hashlib.blake2b(digest([campaign.seed, sku]).encode(), digest_size=8)
    places = sorted(dict.fromkeys(campaign.environments), key=lambda name: _drawn(salt, name))
    local = list(_at_one_place(campaign))
    left: dict[str, list[Pair]] = {}
    """What each place has not had yet, in an order of its own."""
    taken: Counter[tuple[str | None, str | None, str | None]] = Counter()
    """By framing, by persona, and by place and framing."""
    for turn in range(wanted):
        place = places[turn % len(places)]
        if place not in left:
            drawn = {pair: _drawn(salt, f"{place}/{pair[1]}/{pair[0]}") for pair in local}
            left[place] = sorted(local, key=drawn.__getitem__)
        persona, framing = _next(place, left[place], taken)
        left[place].remove((persona, framing))
        taken.update([(None, None, framing), (None, persona, None), (place, None, framing)])
        yield place, persona, framing


def _next(place: str, left: list[Pair], taken: Counter[tuple[str | None, str | None, str | None]]) -> Pair:
    """The first of what a place has left whose framing and persona are not ahead of the others."""
    framings = {framing for _, framing in left}
    here = min(taken[place, None, framing] for framing in framings)
    fewest = min(taken[None, None, framing] for framing in framings)
    rarest = min((taken[None, persona, None] for persona, _ in left if persona is not None), default=0)

    def ahead(pair: Pair) -> tuple[int, int, int]:
        persona, framing = pair
        return (
            taken[place, None, framing] - here,
            max(0, taken[None, None, framing] - fewest - (fewest > 0)),
            max(0, taken[None, persona, None] - rarest - (rarest > 0)) if persona is not None else 0,
        )

    return min(left, key=ahead)


def _at_one_place(campaign: Campaign) -> Iterator[Pair]:
    for framing in dict.fromkeys(campaign.framings):
        for persona in dict.fromkeys(campaign.personas) if framing.has_person else (None,):
            yield persona, framing


def _drawn(salt: hashlib.blake2b, name: str) -> bytes:
    whole = salt.copy()
    whole.update(name.encode())
    return whole.digest()


_ADAPTERS: dict[type, TypeAdapter[Any]] = {
    kind: TypeAdapter(kind) for kind in (Campaign, Environment, Persona, Product)
}


class PlanError(BriefError):
    """A campaign that cannot be planned; says which campaign, what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The shots of a campaign, of which there may be millions: iterating makes them one by one, each time again.

    Attributes:
        number: how many shots there are.
        left_out: how many more the budget left out.
        refused: SKUs whose shots cannot be planned, and why; what was made of them before stays as it is.
        make: the shots from the first.
    """

    number: int
    left_out: int
    refused: Mapping[str, str]
    make: Callable[[], Iterator[Shot]] = field(compare=False, repr=False)

    def __iter__(self) -> Iterator[Shot]:
        return self.make()

    @property
    def shots(self) -> tuple[Shot, ...]:
        """All of them at once, some kilobytes each."""
        return tuple(self)


def plan(
    campaign: Campaign,
    products: Mapping[str, Product],
    environments: Mapping[str, Environment],
    personas: Mapping[str, Persona],
    bundle: BundleInfo,
) -> Plan:
    """Make the shots of ``campaign`` from the catalog's rows, keyed by SKU or name.

    Raises:
        PlanError: see :func:`check_campaign`; or not one of the products can be used.
    """
    check_campaign(campaign, environments, personas)
    refused = {
        sku: "is not in the catalog, or has left the feed; import it, or take it out"
        for sku in campaign.products
        if sku not in products
    }
    wanted = {sku: products[sku] for sku in (campaign.products or products) if sku in products}
    refused |= {sku: problem for sku, product in wanted.items() if (problem := problem_of(product))}
    good = [wanted[sku] for sku in sorted(wanted) if sku not in refused]
    if refused and not good:
        sku, problem = next(iter(refused.items()))
        raise PlanError(f"campaign {campaign.name!r}: product {sku!r} {problem}; no other product is left to shoot")
    total = len(good) * shots_of_each(campaign)
    number = min(total, campaign.max_shots or total)
    return Plan(
        number,
        total - number,
        refused,
        lambda: islice(shots_of(campaign, good, environments, personas, bundle), number),
    )


def shots_of(
    campaign: Campaign,
    products: Iterable[Product],
    environments: Mapping[str, Environment],
    personas: Mapping[str, Persona],
    bundle: BundleInfo,
) -> Iterator[Shot]:
    """The shots of ``campaign`` one by one, without its budget; all rows were checked before."""
    common = _Common.of(campaign, bundle)
    portraits = {name: portrait_key(personas[name], bundle.fingerprint) for name in campaign.personas}
    for product in products:
        for place, who, framing in combinations_of(campaign, product.sku):
            person = personas[who] if who else None
            portrait = portraits[who] if who else None
            for variant in range(campaign.variants):
                yield _shot(common, product, environments[place], person, portrait, framing, variant)


def check_campaign(
    campaign: Campaign, environments: Mapping[str, Environment], personas: Mapping[str, Persona]
) -> None:
    """Raise what makes a campaign impossible to plan whatever its products are.

    Raises:
        PlanError: a value outside its limits, an empty list of environments, framings or personas, a name the catalog
            does not have or whose row is outside its limits, an unknown recipe, two renditions of one name.
    """
    problem = (
        problem_of(campaign)
        or _empty_list(campaign)
        or _unusable(campaign.environments, environments, "environment")
        or _unusable(campaign.personas, personas, "persona")
        or _contradiction(campaign)
    )
    if problem:
        raise PlanError(f"campaign {campaign.name!r}: {problem}")


def problem_of(row: Campaign | Environment | Persona | Product) -> str | None:
    """What is outside the limits of :mod:`brief.types` in a row that may be older than they are."""
    try:
        _ADAPTERS[type(row)].validate_python(asdict(row))
    except ValidationError as error:
        where, why = explained(error)
        return f"{where}: {why}"
    if isinstance(row, Product) and row.doubts:
        return f"its packshot waits for a person's approval ({'; '.join(row.doubts)}); approve it or deliver another"
    return None


def _empty_list(campaign: Campaign) -> str | None:
    if not campaign.environments:
        return "its list of environments is empty; name at least one"
    if not campaign.framings:
        return "its list of framings is empty; name at least one"
    if not campaign.personas and any(framing.has_person for framing in campaign.framings):
        return "its framings show a person, but its list of personas is empty; name at least one"
    return None


def _unusable(asked: Collection[str], rows: Mapping[str, Environment] | Mapping[str, Persona], kind: str) -> str | None:
    for name in asked:
        if name not in rows:
            some = ", ".join(sorted(rows)[:20]) or "none at all"
            return f"{kind} {name!r} is not in the catalog, which has {some}"
        if problem := problem_of(rows[name]):
            return f"{kind} {name!r}: {problem}"
    return None


def _contradiction(campaign: Campaign) -> str | None:
    if campaign.recipe not in RECIPES:
        return f"recipe {campaign.recipe!r} is unknown; there are {', '.join(RECIPES)}"
    if strange := dimensions.unknown(campaign.thresholds):
        return strange
    names = [rendition.name for rendition in campaign.renditions]
    for name in names:
        if names.count(name) > 1:
            return f"rendition {name!r} is there twice; give each its own name"
    for rendition in campaign.renditions:
        if problem := channels.contradiction(rendition):
            return f"rendition {rendition.name!r}: {problem}"
    return None


_SAME_ASPECT, _SERVED = 1.03, 1.2
"""How far apart aspects may be that are one, and how far from a framing's own one that it serves."""
_STEP = 8


def picture_size(campaign: Campaign, bundle: BundleInfo) -> tuple[int, int]:
    """(width, height) in pixels of the composed pictures: the campaign's own; else as many pixels as the bundle's, in
    the aspect that all renditions share, if there are framings for it."""
    if campaign.width or campaign.height or not campaign.renditions:
        return campaign.width or bundle.width, campaign.height or bundle.height
    aspects = [each.width / each.height for each in campaign.renditions if not each.fill and not each.layer]
    if not aspects:
        return bundle.width, bundle.height
    aspect, area = aspects[0], bundle.width * bundle.height
    served = min(max(aspect / each, each / aspect) for each in ASPECTS) <= _SERVED
    if max(aspects) / min(aspects) > _SAME_ASPECT or not served:
        return bundle.width, bundle.height
    width, height = (
        max(_STEP, round(edge / _STEP) * _STEP) for edge in ((area * aspect) ** 0.5, (area / aspect) ** 0.5)
    )
    return width, height


@dataclass(frozen=True, slots=True)
class _Common:
    """What all shots of a campaign share; ``fields`` are those of :class:`brief.types.Shot`."""

    campaign: Campaign
    bundle: BundleInfo
    fields: Mapping[str, Any]

    @classmethod
    def of(cls, campaign: Campaign, bundle: BundleInfo) -> Self:
        width, height = picture_size(campaign, bundle)
        same = {name: getattr(campaign, name) for name in ("recipe", "thresholds", "max_takes")}
        images = dict.fromkeys(CAMPAIGN_IMAGES) | campaign_images(campaign)
        return cls(campaign, bundle, {"campaign": campaign.name, "width": width, "height": height, **same, **images})


def _shot(
    common: _Common,
    product: Product,
    environment: Environment,
    persona: Persona | None,
    portrait: str | None,
    framing: Framing,
    variant: int,
) -> Shot:
    campaign, bundle = common.campaign, common.bundle
    face = persona.face if persona else None
    who = persona.name if persona else None
    shot = _unchecked_shot(
        **common.fields,
        key="",
        product=product,
        environment=environment,
        persona=persona,
        portrait_key=portrait,
        framing=framing,
        variant=variant,
        prompt=shot_prompt(product, environment, face, framing, campaign.prompt, bundle.words),
        negative=shot_negative(campaign.negative, face, bundle.words),
        seed=seed_of(campaign.name, campaign.seed, product.sku, environment.name, who, framing.value, variant),
    )
    object.__setattr__(shot, "key", key_of(shot, bundle.fingerprint))
    return shot


def _unchecked_shot(**fields: Any) -> Shot:
    """A shot of rows that were checked, as were the words it is composed of: to check them again in each of a million
    shots would cost more than all else that is done for them."""
    shot = object.__new__(Shot)
    for name, value in fields.items():
        object.__setattr__(shot, name, value)
    return shot
