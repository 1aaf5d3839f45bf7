"""Import a catalog: products, environments, personas and campaigns from CSV or JSON Lines and a folder of images.

First every row of every file is checked, images included; then the good ones are loaded, images before rows. A bad row
never stops the others. Importing again changes only what changed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from brief.plan import PlanError, check_campaign
from brief.types import Campaign, Environment, Persona, Product
from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog
from storage.catalog.upsert import Upserted
from storage.importing.lines import SUFFIXES, BadRow, Line, read_lines
from storage.importing.rows import (
    GoodRow,
    RowRefused,
    bad_row,
    check_campaign_row,
    check_environment,
    check_persona,
    check_product,
    upload,
)

Check = Callable[[Line, Collection[str]], GoodRow[Any]]
CHECKS: dict[str, Check] = {
    "products": check_product,
    "environments": check_environment,
    "personas": check_persona,
    "campaigns": check_campaign_row,
}
T = TypeVar("T", Product, Environment, Persona, Campaign)
Tick = Callable[[str], None]
"""Called with a row's place whenever one was checked or loaded."""


class NothingToImport(ValueError):
    """A path at which there is no catalog; says what one looks like."""


@dataclass(frozen=True, slots=True)
class Checked:
    """All rows of all files, sorted into good and bad."""

    products: list[GoodRow[Product]] = field(default_factory=list)
    environments: list[GoodRow[Environment]] = field(default_factory=list)
    personas: list[GoodRow[Persona]] = field(default_factory=list)
    campaigns: list[GoodRow[Campaign]] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did: per kind of row what was new or changed, how many were good, and the bad rows."""

    changes: dict[str, Upserted]
    good: dict[str, int]
    bad: tuple[BadRow, ...]


def catalog_files(path: Path) -> dict[str, Path]:
    """The files of a catalog by kind: ``products.csv`` or ``.jsonl`` and so on in a folder, or one such file.

    Raises:
        NothingToImport: there is none, or two of one kind.
    """
    names = ", ".join(f"{kind}.jsonl" for kind in CHECKS)
    candidates = [path] if path.is_file() else sorted(path.iterdir()) if path.is_dir() else []
    files: dict[str, Path] = {}
    for file in candidates:
        if file.stem in CHECKS and file.suffix in SUFFIXES:
            if file.stem in files:
                raise NothingToImport(f"{path}: both {files[file.stem].name} and {file.name} are there; keep one")
            files[file.stem] = file
    if not files:
        raise NothingToImport(f"{path}: no catalog there; files are named {names} (or .csv)")
    return files


def import_catalog(path: Path, catalog: Catalog, objects: Objects, tick: Tick = lambda _: None) -> ImportReport:
    """Check all rows at ``path``, then load the good ones.

    Raises:
        NothingToImport: no catalog's files are there.
        CatalogError, ObjectError: the database or the bucket does not work; rows are loaded kind by kind after their
            images, and importing again takes up from there.
    """
    checked = check_catalog(catalog_files(path), catalog, tick)
    changes = {
        "products": catalog.save_products(_uploaded(checked.products, objects, tick)),
        "environments": catalog.save_environments(_uploaded(checked.environments, objects, tick)),
        "personas": catalog.save_personas(_uploaded(checked.personas, objects, tick)),
        "campaigns": catalog.save_campaigns(_uploaded(checked.campaigns, objects, tick)),
    }
    good = {kind: len(getattr(checked, kind)) for kind in CHECKS}
    return ImportReport(changes, good, tuple(checked.bad))


def check_catalog(files: dict[str, Path], catalog: Catalog, tick: Tick = lambda _: None) -> Checked:
    """Check every row of ``files`` (by kind) without loading any."""
    products, environments, personas = catalog.products(), catalog.environments(), catalog.personas()
    known = _known_images([*products.values(), *environments.values(), *personas.values()])
    found = Checked()
    for kind, file in files.items():
        for row in _check_file(file, CHECKS[kind], known, tick):
            if isinstance(row, BadRow):
                found.bad.append(row)
            else:
                getattr(found, kind).append(row)
    products |= {good.row.sku: good.row for good in found.products}
    environments |= {good.row.name: good.row for good in found.environments}
    personas |= {good.row.name: good.row for good in found.personas}
    for wanted in list(found.campaigns):
        try:
            check_campaign(wanted.row, products, environments, personas)
        except PlanError as error:
            found.campaigns.remove(wanted)
            found.bad.append(bad_row(wanted.line, wanted.row.name, error))
    return found


def _check_file(file: Path, check: Check, known: Collection[str], tick: Tick) -> Iterator[GoodRow[Any] | BadRow]:
    first_seen: dict[str, int] = {}
    for line in read_lines(file):
        if isinstance(line, BadRow):
            yield line
            continue
        field_name = "sku" if file.stem == "products" else "name"
        name = str(line.values.get(field_name, ""))
        try:
            if name in first_seen:
                raise RowRefused(field_name, f"{name!r} is on line {first_seen[name]} already; keep one of them")
            first_seen[name] = line.number
            yield check(line, known)
        except RowRefused as error:
            yield bad_row(line, name, error)
        tick(line.where)


def _uploaded(rows: Iterable[GoodRow[T]], objects: Objects, tick: Tick) -> list[T]:
    """The rows, once their images are in the bucket; a list, so that no database transaction waits for the bucket."""
    loaded = []
    for good in rows:
        if good.image:
            upload(good.image, objects)
        tick(good.line.where)
        loaded.append(good.row)
    return loaded


def _known_images(rows: Iterable[Any]) -> set[str]:
    refs = [getattr(row, name, None) for row in rows for name in ("packshot", "photo", "portrait")]
    return {ref.sha256 for ref in refs if ref}
