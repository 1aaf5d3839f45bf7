"""Between the studio and the bucket: what exists already, inputs to fetch, outputs to store."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from brief.types import MadeBy, Shot, Take
from generation.bundle.card import BundleCard
from generation.scene.material import Material, Result
from generation.score.verdict import judge, thresholds_for
from service.items import FaceItem, Item, TakeItem
from service.jobs import ItemResult, Stage
from storage.bucket import keys as object_keys
from storage.bucket.errors import ObjectDiffers
from storage.bucket.objects import ObjectFacts, Objects

_LOG = logging.getLogger(__name__)
_MADE_BY = "made-by"
_MAKER = TypeAdapter(MadeBy)
_REMEMBERED = 16
"""Packshots, photos and portraits that are kept in memory: the items of a shard share many of them."""


class Bucket:
    """The objects that stages read and write."""

    def __init__(self, objects: Objects, bundle: BundleCard, made_by: MadeBy) -> None:
        self._objects = objects
        self._bundle = bundle
        self._made_by = made_by
        self._notes = {_MADE_BY: _MAKER.dump_json(made_by, ensure_ascii=True).decode()}
        self._input = lru_cache(maxsize=_REMEMBERED)(objects.get)

    def kept(self, stage: Stage, item: Item) -> ItemResult | None:
        """The item's result if its output exists, else ``None``; a portrait the team brought always exists."""
        if isinstance(item, FaceItem) and item.persona.portrait is not None:
            brought = item.persona.portrait
            return ItemResult(item.key, brought.key, brought.sha256, kept=True)
        key = _output(stage, item)
        facts = self._objects.head(key)
        if facts is None:
            return None
        if stage is not Stage.SCORE:
            sha256 = facts.sha256 or self._objects.sha256(key)
            return ItemResult(item.key, key, sha256, kept=True, made_by=_noted(facts))
        try:
            data = self._objects.get(key)
            card = self._judged_again(json.loads(data), item)
        except (ObjectDiffers, ValueError, LookupError, TypeError, AttributeError) as error:
            _LOG.warning("%s: the scorecard %r is damaged (%s) and measured again", item.name, key, error)
            self._objects.delete(key)
            return None
        sha256 = hashlib.sha256(data).hexdigest()
        return ItemResult(item.key, key, sha256, kept=True, scorecard=card, made_by=_noted(facts))

    def fetch(self, stage: Stage, item: TakeItem) -> Material:
        """The images that a stage needs, as files' bytes, each verified by its SHA-256.

        Raises:
            storage.bucket.errors.ObjectError: one cannot be had; the message names its object.
        """
        shot = item.shot
        picture = _input(stage, item.take)
        return Material(
            shot=shot,
            take=item.take,
            packshot=self._input(shot.product.packshot.key, shot.product.packshot.sha256),
            photo=self._input(shot.environment.photo.key, shot.environment.photo.sha256),
            portrait=self._portrait(shot),
            picture=self._objects.get(picture) if picture else None,
        )

    def store(self, stage: Stage, item: Item, result: Result) -> ItemResult:
        """Write what the studio made; what another run wrote first under the same key stays."""
        if result.error is not None:
            return ItemResult(item.key, seconds=result.seconds, error=result.error)
        key = _output(stage, item)
        card = asdict(result.scorecard) if result.scorecard else None
        if card is not None:
            data = json.dumps(card, sort_keys=True, ensure_ascii=False, indent=1).encode()
        else:
            data = _png(result)
        stored = self._objects.put(key, data, object_keys.content_type(key), keep_first=True, notes=self._notes)
        made_by = self._made_by
        return ItemResult(item.key, key, stored.sha256, result.seconds, stored.kept, scorecard=card, made_by=made_by)

    def _judged_again(self, card: Mapping[str, Any], item: Item) -> dict[str, Any]:
        """A scorecard from the bucket with the verdict of today's thresholds: they are not part of a shot's key, so
        they may have changed since it was measured."""
        if not isinstance(item, TakeItem):
            return dict(card)
        thresholds = thresholds_for(self._bundle.thresholds, item.shot.thresholds)
        last = item.take.number >= item.shot.max_takes
        return asdict(judge(card["values"], card["unavailable"], thresholds, last=last))

    def _portrait(self, shot: Shot) -> bytes | None:
        if shot.persona is None or shot.portrait_key is None:
            return None
        if shot.persona.portrait is not None:
            return self._input(shot.persona.portrait.key, shot.persona.portrait.sha256)
        return self._input(object_keys.portrait(shot.portrait_key))


def _noted(facts: ObjectFacts) -> MadeBy | None:
    """Who made an object, as its metadata says; ``None`` where they do not."""
    try:
        return _MAKER.validate_json(facts.notes.get(_MADE_BY, ""))
    except ValidationError:
        return None


def _output(stage: Stage, item: Item) -> str:
    if isinstance(item, FaceItem):
        return object_keys.portrait(item.portrait_key)
    return {
        Stage.COMPOSE: object_keys.composed,
        Stage.REFINE: object_keys.refined,
        Stage.SCORE: object_keys.scorecard,
    }[stage](item.take)


def _input(stage: Stage, take: Take) -> str | None:
    """Key of what the stage before made."""
    if stage is Stage.REFINE:
        return object_keys.composed(take)
    return object_keys.refined(take) if stage is Stage.SCORE else None


def _png(result: Result) -> bytes:
    if result.image is None:
        raise ValueError(f"the studio gave neither a picture nor a reason for {result.key}")
    data = io.BytesIO()
    # Level 3 takes a third of the time of Pillow's own 6, for files a few per cent larger.
    result.image.save(data, "PNG", compress_level=3)
    return data.getvalue()
