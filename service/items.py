"""The items of a job: read from JSON, and checked against their keys before anything is made."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from brief.recipe import RECIPES, key_of, portrait_key, take
from brief.types import Persona, Shot, Take
from service.jobs import Stage

_KEY = re.compile(r"[0-9a-f]{32}")


class ItemRefused(ValueError):
    """Items that are not what the stage takes; says which and what is wrong with it."""


class PlannedElsewhere(ValueError):
    """An item whose key does not follow from its contents under the loaded bundle."""


@dataclass(frozen=True, slots=True)
class FaceItem:
    """A portrait that is wanted."""

    portrait_key: str
    persona: Persona

    @property
    def key(self) -> str:
        return self.portrait_key

    @property
    def name(self) -> str:
        """What a person calls it, for logs."""
        return f"portrait of {self.persona.name!r}"


@dataclass(frozen=True, slots=True)
class TakeItem:
    """A take that a stage shall work on."""

    shot: Shot
    take: Take

    @property
    def key(self) -> str:
        return self.take.key

    @property
    def name(self) -> str:
        """What a person calls it, for logs."""
        return f"take {self.take.number} of {self.shot.product.sku!r} in {self.shot.environment.name!r}"


Item = FaceItem | TakeItem
_FACES = TypeAdapter(list[FaceItem])
_TAKES = TypeAdapter(list[TakeItem])


def read_items(stage: Stage, values: Sequence[dict[str, Any]]) -> list[Item]:
    """Items from the JSON of a request.

    Raises:
        ItemRefused: a field is missing or of the wrong kind, a key is not a digest, two items have the same key.
    """
    reader: TypeAdapter[Any] = _FACES if stage is Stage.FACE else _TAKES
    try:
        items: list[Item] = reader.validate_python(list(values))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ItemRefused(f"items.{where}: {first['msg']} (stage {stage.value!r})") from error
    keys = [item.key for item in items]
    for key in (*keys, *(item.shot.key for item in items if isinstance(item, TakeItem))):
        # Keys become names of objects, so nothing but a digest gets through.
        if not _KEY.fullmatch(key):
            raise ItemRefused(f"items: key {key!r} is not a digest of 32 hex characters")
    if len(set(keys)) != len(keys):
        raise ItemRefused("items: two of them have the same key")
    return items


def check_key(item: Item, bundle: str) -> None:
    """Make sure that what is made under a key is what the key says.

    Raises:
        PlannedElsewhere: the item was planned for another bundle or another version of the recipes.
    """
    if isinstance(item, FaceItem):
        right = portrait_key(item.persona, bundle) == item.portrait_key
    else:
        known = item.shot.recipe in RECIPES
        right = known and key_of(item.shot, bundle) == item.shot.key == item.take.shot_key
        again = take(item.shot.key, item.shot.seed, item.take.number, item.take.changes)
        right = right and again.key == item.take.key
    if not right:
        raise PlannedElsewhere(
            f"{item.name} was planned for another model bundle or recipe version than this service has loaded; "
            "run the campaign again, which plans its shots anew"
        )
