"""The dimensions of a scorecard: what each says when it is low, and what the next take does about it.

The one list. ``generation/score`` measures under these names, bundles and campaigns set thresholds under them, and
``pipeline/judge.py`` judges by them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from brief.recipe import Recipe
from brief.types import Finding, Reason, Scorecard

Changes = Mapping[str, float]
"""Numbers of the recipe that the next take uses instead."""


def _nothing(recipe: Recipe) -> Changes:
    return {}


def _never(recipe: Recipe) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Dimension:
    """One thing that a take is measured for, 0 to 1, higher is better.

    Attributes:
        name: under which it is measured, judged and shown.
        low: what a low value means, as the end of a sentence.
        remedy: what the next take changes, from the numbers that this one used; a new seed it has anyway.
        kept: whether a take with these numbers keeps the very pixels that are measured, so that no further take with
            them can do better.
        of_person: it is measured only where a person is shown.
        needed: no take is accepted of which this is not known, whatever the thresholds are: pictures of nothing pass
            all the others.
        fixed: its threshold says what it means by itself, and what people approve does not move it.
    """

    name: str
    low: str
    remedy: Callable[[Recipe], Changes] = _nothing
    kept: Callable[[Recipe], bool] = _never
    of_person: bool = False
    needed: bool = False
    fixed: bool = False


def _always(recipe: Recipe) -> bool:
    return True


def _keep_product(recipe: Recipe) -> Changes:
    return {"product_keep": 1.0, "product_strength": min(1.2, recipe.product_strength + 0.2)}


def _more_of_the_face(recipe: Recipe) -> Changes:
    return {"face_strength": min(1.2, recipe.face_strength + 0.2), "face_keep": max(0.35, recipe.face_keep)}


def _more_of_the_place(recipe: Recipe) -> Changes:
    return {
        "environment_keep": max(recipe.environment_keep, min(0.8, recipe.environment_keep + 0.2)),
        "environment_strength": min(1.0, recipe.environment_strength + 0.2),
    }


def _more_guidance(recipe: Recipe) -> Changes:
    return {"guidance": min(9.0, recipe.guidance + 1.5), "guidance_until": 1.0}


def _less_guidance(recipe: Recipe) -> Changes:
    return {"guidance": max(1.5, recipe.guidance - 1.0)}


def _more_steps(recipe: Recipe) -> Changes:
    return {"steps": float(round(recipe.steps * 1.4))}


DIMENSIONS = (
    Dimension("sharpness", "the picture is soft", _more_steps),
    Dimension(
        "exposure",
        "the picture is lit otherwise than the place, or black or blown out where the place is not",
        _less_guidance,
        kept=lambda recipe: recipe.environment_keep >= 1,
    ),
    Dimension(
        "product",
        "the packshot's colours and shape are not met",
        _keep_product,
        kept=lambda recipe: recipe.product_keep >= 1,
    ),
    Dimension("cutout", "the product's outline cannot be believed; look at the cut-out", kept=_always, fixed=True),
    Dimension("prompt", "the picture does not show what was asked in words", _more_guidance, needed=True),
    Dimension(
        "environment",
        "the place is not the environment's",
        _more_of_the_place,
        kept=lambda recipe: recipe.environment_keep >= 1,
    ),
    Dimension("faces", "another number of faces is seen than of people asked for"),
    Dimension(
        "identity",
        "the face is not the persona's",
        _more_of_the_face,
        kept=lambda recipe: recipe.face_keep >= 1,
        of_person=True,
        needed=True,
    ),
    Dimension(
        "features",
        "the face lacks features that were chosen",
        _more_of_the_face,
        kept=lambda recipe: recipe.face_keep >= 1,
        of_person=True,
    ),
    Dimension(
        "label",
        "the packshot's words cannot be read",
        _keep_product,
        kept=lambda recipe: recipe.product_keep >= 1,
    ),
    Dimension("attention", "an adapter draws outside of its own region"),
    Dimension("safety", "the picture may show what must not be published", fixed=True),
)
"""All of them, in the order in which they are shown."""

BY_NAME: Mapping[str, Dimension] = {dimension.name: dimension for dimension in DIMENSIONS}


def unknown(names: Iterable[str]) -> str | None:
    """What to tell whoever set a threshold for something that nothing measures; ``None`` where all are known."""
    strange = sorted(set(names) - set(BY_NAME))
    if not strange:
        return None
    return f"threshold {strange[0]!r} is of no dimension; there are {', '.join(BY_NAME)}"


def sentences(card: Scorecard) -> tuple[str, ...]:
    """A scorecard's findings in words, for whoever has to decide."""
    return tuple(sentence(finding) for finding in card.findings)


def sentence(finding: Finding) -> str:
    """A finding in words: "product 0.41 is below 0.60: the packshot's colours and shape are not met"."""
    name = finding.dimension
    if finding.reason is Reason.LOW:
        return f"{name} {_compared(finding.value, finding.threshold)}: {_meaning(name)}"
    if finding.reason is Reason.UNAVAILABLE:
        return f"{name} is unavailable: {finding.why or 'nothing measures it'}"
    if finding.reason is Reason.ALTERED:
        return f"{name}: {finding.value or 0:.1%} of the pixels that should be the original's own are not"
    if finding.reason is Reason.UNCALIBRATED:
        return finding.why or "the thresholds are not calibrated, so a person decides"
    return finding.why


def _meaning(name: str) -> str:
    return BY_NAME[name].low if name in BY_NAME else "it is low"


def _compared(value: float | None, limit: float | None) -> str:
    """The two numbers with as many digits as it takes to tell them apart."""
    if value is None or limit is None:
        return "is low"
    digits = next((digits for digits in (2, 3, 4) if f"{value:.{digits}f}" != f"{limit:.{digits}f}"), 6)
    return f"{value:.{digits}f} is below {limit:.{digits}f}"
