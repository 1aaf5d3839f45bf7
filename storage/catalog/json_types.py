"""JSON columns that know their shape: ``{"version": n, "value": ...}`` in PostgreSQL, checked values in Python.

A shape that changes gets a function from the version before to the new one in its ``upgrades``; rows are upgraded when
they are read and written again only when something else about them changes. So a new field of a shot makes no stored
shot unreadable, and Alembic need not rewrite a large table.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect

from brief.limits import STORED
from storage.catalog.errors import RowUnreadable

Upgrade = Callable[[Any], Any]


class Versioned(TypeDecorator[Any]):
    """A JSONB column that holds values of one type.

    Args:
        shape: whatever pydantic can check: a dataclass, ``dict[str, str]``.
        upgrades: from version 1 to 2, from 2 to 3 and so on, each on plain JSON values.
    """

    impl = JSONB(none_as_null=True)
    cache_ok = True

    def __init__(self, shape: Any, upgrades: tuple[Upgrade, ...] = ()) -> None:
        super().__init__()
        self.shape = shape
        self.upgrades = upgrades
        self._adapter: TypeAdapter[Any] = TypeAdapter(shape)

    @property
    def version(self) -> int:
        """Of what is written now."""
        return len(self.upgrades) + 1

    def process_bind_param(self, value: Any, dialect: Dialect) -> dict[str, Any] | None:
        if value is None:
            return None
        return {"version": self.version, "value": self._adapter.dump_python(value, mode="json")}

    def to_json(self, value: Any) -> str:
        """What :meth:`process_bind_param` gives, as text; some ten times as fast."""
        if value is None:
            return "null"
        return f'{{"version":{self.version},"value":{self._adapter.dump_json(value).decode()}}}'

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        try:
            stored, version = value["value"], int(value["version"])
            if version > self.version:
                raise RowUnreadable(
                    f"the catalog holds a {self._name} of version {version}, this Lookbook reads up to {self.version}: "
                    "a newer one wrote it; run that one here too"
                )
            for upgrade in self.upgrades[version - 1 :]:
                stored = upgrade(stored)
            return self._adapter.validate_python(stored, context=STORED)
        except (KeyError, TypeError, ValidationError) as error:
            raise RowUnreadable(
                f"the catalog holds a {self._name} that cannot be read ({error}); restore the row from a backup, or "
                "import it again"
            ) from error

    @property
    def _name(self) -> str:
        return str(getattr(self.shape, "__name__", self.shape)).lower()


_LOW, _UNAVAILABLE = (
    re.compile(r"(\w+) [\d.]+ is below ([\d.]+): "),
    re.compile(r"(\w+) is unavailable: (.*)", re.DOTALL),
)


def scorecard_1_to_2(stored: dict[str, Any]) -> dict[str, Any]:
    """Findings were sentences, and measurements had no scorers to name."""
    values, unavailable = stored.get("values", {}), stored.get("unavailable", {})
    return {
        "measured": {"values": values, "unavailable": unavailable},
        "verdict": stored["verdict"],
        "findings": [_finding(sentence, values) for sentence in stored.get("reasons", ())],
    }


def _finding(sentence: str, values: dict[str, float]) -> dict[str, Any]:
    if (low := _LOW.match(sentence)) and low[1] in values:
        return {"reason": "low", "dimension": low[1], "value": values[low[1]], "threshold": float(low[2])}
    if unavailable := _UNAVAILABLE.fullmatch(sentence):
        return {"reason": "unavailable", "dimension": unavailable[1], "why": unavailable[2]}
    return {"reason": "earlier", "why": sentence}
