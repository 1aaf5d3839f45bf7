"""Named presets and the digests that make every stage repeatable.

A digest here is the SHA-256 of canonical JSON (keys sorted, no spaces, UTF-8, integers and strings as they are, floats
written with nine significant digits), cut to 32 hex characters. It holds content hashes, never file names or URLs, so
the same catalog gives the same keys on every machine and Python version.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from typing import Any

from brief.prompts import portrait_prompt
from brief.types import Environment, Framing, ImageRef, Persona, Product, Shot, Take

RECIPE_VERSION = 4
"""Raised with every change that alters pixels, so that old pictures keep their keys and new ones get new keys."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How pictures are made. Strengths are 0 (off) to 1.5; fractions are 0 to 1 of the denoising steps.

    Attributes:
        steps: denoising steps per picture.
        guidance: classifier-free guidance scale.
        guidance_until: fraction of the steps that use guidance (Kynkäänniemi et al., 2024, arXiv:2404.07724).
        face_strength, product_strength, environment_strength, style_strength: of the IP-Adapters.
        product_keep: fraction of the steps during which the product's latents are put back (1: to the end).
        environment_keep: the same for the environment photo, so that the place stays the place; at 1 its own pixels
            are put back at the end (per-region change maps: Levin & Fried, 2023, arXiv:2306.00950).
        face_keep: the same for the portrait's face, whose own pixels are put back at 1; above 0 the person's figure
            is in the collage.
        free_keep: the same where the photo has no person yet: body, arm, plinth (0: drawn from noise).
        polish_strength: of the img2img pass in refinement, 0 skips it.
    """

    steps: int = 25
    guidance: float = 4.0
    guidance_until: float = 0.8
    face_strength: float = 0.8
    product_strength: float = 0.7
    environment_strength: float = 0.6
    style_strength: float = 0.5
    product_keep: float = 1.0
    environment_keep: float = 0.4
    face_keep: float = 0.0
    free_keep: float = 0.0
    polish_strength: float = 0.2

    @property
    def strengths(self) -> Mapping[str, float]:
        """Strength of each role's adapter."""
        return {role: value for role, value in self._ending("_strength") if role != "polish"}

    @property
    def keeps(self) -> Mapping[str, float]:
        """Fraction of the steps for which each part of the picture is put back: a role's region, or what is free."""
        return dict(self._ending("_keep"))

    def _ending(self, suffix: str) -> Iterator[tuple[str, float]]:
        for field in fields(self):
            if field.name.endswith(suffix):
                yield field.name.removesuffix(suffix), getattr(self, field.name)

    def changed(self, changes: Mapping[str, float]) -> Recipe:
        """This recipe with a take's targeted changes.

        Raises:
            ValueError: a change names something that a recipe does not have.
        """
        unknown = sorted(set(changes) - {field.name for field in fields(self)})
        if unknown:
            raise ValueError(f"a recipe has no {unknown[0]!r}; it has {', '.join(f.name for f in fields(self))}")
        typed = {name: int(value) if name == "steps" else float(value) for name, value in changes.items()}
        return replace(self, **typed)  # type: ignore[arg-type]


RECIPES: dict[str, Recipe] = {
    "standard": Recipe(),
    "draft": Recipe(steps=10, polish_strength=0.0),
    "anchored": Recipe(environment_keep=0.6, face_keep=0.35),
}
"""The presets a campaign may name."""


def recipe_on(bundle: Mapping[str, float], preset: str, changes: Mapping[str, float] | None = None) -> Recipe:
    """A bundle's own numbers, then what the preset sets apart from the defaults, then a take's ``changes``.

    Raises:
        ValueError: an unknown preset or an unknown number.
    """
    if preset not in RECIPES:
        raise ValueError(f"recipe {preset!r} is unknown; there are {', '.join(RECIPES)}")
    default, chosen = Recipe(), asdict(RECIPES[preset])
    own = {name: value for name, value in chosen.items() if value != getattr(default, name)}
    if "steps" in own:
        # A preset that saves steps costs none where the models are made for fewer.
        own["steps"] = min(own["steps"], bundle.get("steps", own["steps"]))
    return default.changed(bundle).changed(own).changed(changes or {})


def digest(value: Any) -> str:
    """32 hex characters of the SHA-256 over canonical JSON; see the module's text for the rules.

    Raises:
        ValueError: a float that is not finite.
    """
    return hashlib.sha256(_written(value).encode()).hexdigest()[:32]


class _Written(str):
    """Canonical JSON already."""


def _written(value: Any) -> str:
    """Canonical JSON, put together here because a plan digests millions: ``json`` would build an encoder for each, and
    what it is to write would have to be copied first for its floats."""
    kind = type(value)
    if kind is str:
        return _quoted(value)
    if kind is int:
        return repr(value)
    if isinstance(value, _Written):
        return value
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError(f"{value} cannot be part of a digest")
        return f'"{value:.9g}"'
    if isinstance(value, Mapping):
        named = {str(key): item for key, item in value.items()}
        return "{" + ",".join([f"{_quoted(name)}:{_written(named[name])}" for name in sorted(named)]) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join([_written(item) for item in value]) + "]"
    return json.dumps(value, ensure_ascii=False)


_quoted = json.encoder.encode_basestring


def seed_of(*parts: Any) -> int:
    """A seed below 2**32 from anything that digests: stable, and unrelated for different parts."""
    return int(digest(list(parts))[:8], 16)


def portrait_key(persona: Persona, bundle: str) -> str:
    """Key of a persona's portrait: chosen features, seed, prompt, recipe version and the bundle's fingerprint.

    A portrait the team brought is keyed by its content alone.
    """
    if persona.portrait is not None:
        return digest(["portrait", persona.portrait.sha256])
    words = portrait_prompt(persona.face)
    return digest(["portrait", RECIPE_VERSION, bundle, persona.face.chosen(), words, persona.seed])


def shot_key(
    *,
    product: Product,
    environment: Environment,
    portrait: str | None,
    framing: Framing,
    prompt: str,
    negative: str,
    seed: int,
    size: tuple[int, int],
    recipe: Recipe,
    bundle: str,
    style: ImageRef | None = None,
) -> str:
    """Key of a shot: everything that decides its pixels and nothing that does not.

    Covered: the packshot's and the photo's SHA-256, the portrait's key, framing, prompt and negative prompt, seed,
    size, the recipe's numbers, the product's height, the place's surface and the style's SHA-256 where there are any,
    :data:`RECIPE_VERSION` and the bundle's fingerprint. Not covered: SKU, names, object keys, thresholds and
    renditions, which may change without a new picture. Names decide the seed, though (:func:`brief.plan.plan`), so that
    two products with one packshot, or two campaigns, get pictures of their own: a product, place, persona or campaign
    that is renamed gets new pictures, and a dry run says so.
    """
    return digest(
        {
            "version": RECIPE_VERSION,
            "bundle": bundle,
            "packshot": product.packshot.sha256,
            "photo": environment.photo.sha256,
            "portrait": portrait,
            "framing": framing.value,
            "prompt": prompt,
            "negative": negative,
            "seed": seed,
            "size": list(size),
            "recipe": _numbers(recipe, style is not None),
            **_where_told(product, environment, style),
        }
    )


def _where_told(product: Product, environment: Environment, style: ImageRef | None) -> dict[str, Any]:
    """What a shot does not have is not in its key."""
    told = {
        "height": product.height_cm or None,
        "surface": environment.surface,
        "style": style.sha256 if style else None,
    }
    return {name: value for name, value in told.items() if value is not None}


@lru_cache
def _numbers(recipe: Recipe, styled: bool) -> _Written:
    """A recipe as it stands in keys."""
    return _Written(
        _written({name: value for name, value in asdict(recipe).items() if styled or name != "style_strength"})
    )


def key_of(shot: Shot, bundle: str) -> str:
    """What :attr:`Shot.key` must be for the bundle with fingerprint ``bundle``, whatever it is now.

    Raises:
        KeyError: the shot's recipe is not one of :data:`RECIPES`.
    """
    return shot_key(
        product=shot.product,
        environment=shot.environment,
        portrait=shot.portrait_key,
        framing=shot.framing,
        prompt=shot.prompt,
        negative=shot.negative,
        seed=shot.seed,
        size=(shot.width, shot.height),
        recipe=RECIPES[shot.recipe],
        bundle=bundle,
        style=shot.style,
    )


def take(shot: str, shot_seed: int, number: int, changes: Mapping[str, float] | None = None, words: str = "") -> Take:
    """The ``number``-th take (from 1) of the shot with key ``shot``: the first uses the shot's own seed.

    ``words`` are part of the key only where there are some.
    """
    changes = dict(changes or {})
    seed = shot_seed if number == 1 else seed_of("take", shot_seed, number)
    parts = ["take", shot, number, seed, changes, *([words] if words else [])]
    return Take(digest(parts), shot, number, seed, changes, words)
