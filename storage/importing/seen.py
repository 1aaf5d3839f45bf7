"""The names that an import has read, in a temporary table of the database: a feed may have more than memory should
hold, and what left the feed is a question to the database."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    Table,
    Text,
    any_,
    column,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql

from storage.catalog.errors import naming_the_database
from storage.catalog.tables import ProductRow


def look(name: str) -> str:
    """What two names that look alike have in common: capitals, widths and ligatures apart."""
    return unicodedata.normalize("NFKC", name).casefold()


class SeenNames:
    """Names by the line on which they were read first. A context manager; the table goes with its connection."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._table = Table(
            "seen_by_import",
            MetaData(),
            Column("name", Text, primary_key=True),
            Column("look", Text, index=True),
            Column("line", Integer),
            prefixes=["TEMPORARY"],
        )

    def __enter__(self) -> SeenNames:
        with naming_the_database(self._engine):
            self._connection = self._engine.connect()
            self._table.create(self._connection)
            self._connection.commit()
        return self

    def __exit__(self, *_: object) -> None:
        with naming_the_database(self._engine):
            self._connection.rollback()
            self._table.drop(self._connection)
            self._connection.commit()
            self._connection.close()

    def add(self, names: Mapping[str, int]) -> tuple[dict[str, int], dict[str, str]]:
        """Note names with their lines.

        Returns:
            Names that had been read before, with the line of then; and names that look like an earlier one, which is
            given too.
        """
        if not names:
            return {}, {}
        table = self._table
        looks = {name: look(name) for name in names}
        # Each column goes as one array: a parameter for each value takes longer to put together than to store.
        texts, numbers = postgresql.ARRAY(Text), postgresql.ARRAY(Integer)
        arrays = (
            literal(list(names), texts),
            literal(list(looks.values()), texts),
            literal(list(names.values()), numbers),
        )
        columns = column("name", Text), column("look", Text), column("line", Integer)
        given = func.unnest(*arrays).table_valued(*columns, name="given").render_derived()
        insert = postgresql.insert(table).from_select(["name", "look", "line"], select(*given.c))
        alike_ones = table.c.look == any_(literal(list(set(looks.values())), texts))
        with naming_the_database(self._engine):
            found = self._connection.execute(select(table.c.name, table.c.look, table.c.line).where(alike_ones)).all()
            self._connection.execute(insert.on_conflict_do_nothing())
            self._connection.commit()
        before = {row.name: row.line for row in found if row.name in names}
        first_of_look = {row.look: row.name for row in reversed(found)}
        alike = {}
        for name in names:
            other = first_of_look.setdefault(looks[name], name)
            if other != name and name not in before:
                alike[name] = other
        return before, alike

    def retire_other_products(self, at_most: float) -> tuple[int, int]:
        """Products whose SKU was not read leave the feed: nothing is made of them any more, and nothing of them is
        deleted.

        Args:
            at_most: share (0 to 1) of the products that are there; if more would leave, none does.

        Returns:
            How many were not read, and how many there were.
        """
        here = ProductRow.retired_at.is_(None)
        others = [here, ProductRow.sku.not_in(select(self._table.c.name))]
        with naming_the_database(self._engine):
            total = self._connection.scalar(select(func.count()).select_from(ProductRow).where(here)) or 0
            leaving = self._connection.scalar(select(func.count()).select_from(ProductRow).where(*others)) or 0
            if 0 < leaving <= at_most * total:
                self._connection.execute(
                    update(ProductRow).where(*others).values(retired_at=datetime.now(UTC), left_feed=True)
                )
            self._connection.commit()
        return leaving, total
