"""Import a catalog: products, environments, personas and campaigns from CSV or JSON Lines and their images.

Files are read in parts, so that a feed of any length takes the same memory: a part's rows are checked, images included,
its images go into the bucket, then its rows into the database. A bad row never stops the others. Importing again
changes only what changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, Generic, TypeVar

from brief.errors import StorageError
from brief.limits import shown
from brief.plan import PlanError, check_campaign
from brief.types import Campaign, Environment, Persona, Product
from storage.bucket.objects import Objects
from storage.catalog.catalog import Catalog
from storage.catalog.database import Upserted
from storage.catalog.errors import CatalogRefused
from storage.importing.feeds import GOOGLE, Columns, XmlFeed, shopify_rows
from storage.importing.lines import SUFFIXES, BadRow, Line, Notice, TextLines, encoding_notice, encoding_of, json_lines
from storage.importing.packshots import PackshotModels
from storage.importing.pictures import KnownImage, Pictures
from storage.importing.rows import KINDS, GoodRow, Kind, RowRefused, bad_row, check_row, named_images, tidied
from storage.importing.seen import SeenNames
from storage.importing.tables import OwnColumns, table_rows

T = TypeVar("T", Product, Environment, Persona, Campaign)
PART = 500
"""Rows that are checked and loaded together."""
MOST_KEPT = 10_000
"""Bad rows and notices that a report holds; all are counted, and given to the listener."""
MOST_LEAVE = 0.5
"""Share of the products that may leave at once: a feed that was cut off would otherwise retire them all."""
FEEDS = ("google", "shopify")
"""Feeds of others that are known by name."""


class NothingToImport(StorageError, ValueError):
    """A path at which there is no catalog; says what one looks like."""


@dataclass(slots=True)
class Counts:
    """Rows of one kind: what the import did with them."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0

    @property
    def good(self) -> int:
        return self.new + self.changed + self.unchanged


@dataclass(slots=True)
class ImportReport:
    """What an import did: counts per kind, the first bad rows, and what else a person may want to know."""

    counts: dict[str, Counts] = field(default_factory=lambda: {kind: Counts() for kind in KINDS})
    retired: int = 0
    """Products that left the feed."""
    bad: list[BadRow] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    @property
    def refused(self) -> int:
        return sum(each.refused for each in self.counts.values())


class Listener:
    """Hears of an import while it goes on; each method may be overridden."""

    def progress(self, where: str, share: float) -> None:
        """Rows up to ``where`` were loaded, which is ``share`` (0 to 1) of their file."""

    def bad(self, row: BadRow) -> None:
        """A row was refused."""

    def notice(self, notice: Notice) -> None:
        """Something else that a person may want to know."""


def catalog_files(path: Path) -> dict[str, Path]:
    """The files of a catalog by kind: ``products.csv`` or ``.jsonl`` and so on in a folder, or one such file.

    Raises:
        NothingToImport: there is none, or two of one kind.
    """
    names = ", ".join(f"{kind}.jsonl" for kind in KINDS)
    try:
        candidates = sorted(path.iterdir()) if path.is_dir() else [path] if path.exists() else []
    except (OSError, ValueError) as error:
        raise NothingToImport(f"{shown(str(path))}: cannot be read ({error}); name a folder or a file") from error
    files: dict[str, Path] = {}
    for file in candidates:
        if file.stem in KINDS and file.suffix in SUFFIXES:
            if file.stem in files:
                raise NothingToImport(f"{path}: both {files[file.stem].name} and {file.name} are there; keep one")
            files[file.stem] = file
    if not files:
        raise NothingToImport(
            f"{path}: no catalog there; files are named {names} (or .csv). A feed of another kind is read with --feed "
            "google, --feed shopify, or --column FIELD=COLUMN for each column"
        )
    return {kind: files[kind] for kind in KINDS if kind in files}


@dataclass(frozen=True, slots=True)
class Options:
    """What an import may and shall do besides.

    Attributes:
        outside: take images outside the folder too.
        private: fetch images from addresses too that only this network can reach.
        feed: the file is a feed of products: one of :data:`FEEDS`, or a table whose columns are named.
        replace: the file of products holds them all; those that are not in it leave: nothing is made of them any
            more, and nothing of them is deleted.
        most_may_leave: also if these are more than :data:`MOST_LEAVE` of all.
        models: are asked about packshots.
    """

    outside: bool = False
    private: bool = False
    feed: str | Columns | None = None
    replace: bool = False
    most_may_leave: bool = False
    models: PackshotModels | None = None


def import_catalog(
    path: Path,
    catalog: Catalog,
    objects: Objects,
    listener: Listener | None = None,
    options: Options | None = None,
) -> ImportReport:
    """Load the good rows at ``path`` and report the others.

    Raises:
        NothingToImport: no catalog's files are there, or no file where a feed should be.
        CatalogError, ObjectError: the database or the bucket does not work; what was loaded stays, and importing
            again goes on from there.
    """
    options = options or Options()
    if options.feed is not None and not path.is_file():
        raise NothingToImport(f"{shown(str(path))}: is no file; name the feed's file")
    files = catalog_files(path) if options.feed is None else {"products": path}
    folder = path if path.is_dir() else path.parent
    allowed = {"outside": options.outside, "private": options.private}
    with Pictures(folder, objects, **allowed, models=options.models) as pictures:
        run = _Import(catalog, pictures, listener or Listener(), options)
        for kind, file in files.items():
            run.load(kind, file)
    return run.report


class _Import:
    """One import on its way."""

    def __init__(self, catalog: Catalog, pictures: Pictures, listener: Listener, options: Options) -> None:
        self._catalog = catalog
        self._pictures = pictures
        self._listener = listener
        self._options = options
        self.report = ImportReport()

    def load(self, kind: str, file: Path) -> None:
        """Load one file, part by part."""
        loading: _Kind[Any] = _Kind(kind, self._catalog, self._pictures)
        if problem := _unreadable(file):
            self._refuse(kind, BadRow(shown(file.name), "", "", problem))
            return
        source, rows = rows_of(file, loading.kind.type, self._options.feed)
        with SeenNames(self._catalog.engine) as seen:
            nameless = False
            while part := list(islice(rows, PART)):
                nameless = nameless or any(isinstance(each, BadRow) for each in part)
                self._load_part(kind, loading, seen, part)
                self._pictures.forget_fetched()
                self._listener.progress(f"{shown(file.name)}:{getattr(part[-1], 'number', '')}", source.share)
            if self._options.replace and kind == "products":
                self._retire(file, seen, nameless=nameless)

    def _retire(self, file: Path, seen: SeenNames, *, nameless: bool) -> None:
        """Let the products go that the file does not hold."""
        where = shown(file.name)
        if nameless:
            self._notice(Notice(where, "no product is retired: of the rows that cannot be read nobody knows the SKU"))
            return
        at_most = 1.0 if self._options.most_may_leave else MOST_LEAVE
        leaving, total = seen.retire_other_products(at_most)
        if leaving > at_most * total:
            held_back = f"no product is retired: {leaving:,} of {total:,} are not in it, as if the feed was cut off"
            self._notice(Notice(where, f"{held_back}; if it is right, import it with --most-may-leave"))
            return
        self.report.retired = leaving

    def _load_part(self, kind: str, loading: _Kind[Any], seen: SeenNames, part: list[Line | BadRow | Notice]) -> None:
        lines = []
        for each in part:
            if isinstance(each, BadRow):
                self._refuse(kind, each)
            elif isinstance(each, Notice):
                self._notice(each)
            else:
                lines.append(each)
        good: list[GoodRow[Any]] = []
        for outcome in loading.check(self._once(kind, loading.kind, seen, lines)):
            if isinstance(outcome, BadRow):
                self._refuse(kind, outcome)
            elif isinstance(outcome, Notice):
                self._notice(outcome)
            else:
                good.append(outcome)
        self._save(kind, loading, good)

    def _once(self, kind: str, of: Kind[Any], seen: SeenNames, lines: list[Line]) -> Iterator[Line]:
        """The tidied lines whose name was not read before."""
        tidy: dict[str, Line] = {}
        for line in lines:
            name = str(line.values.get(of.key, ""))
            try:
                line = tidied(line, of)
                name = str(line.values.get(of.key, ""))
                if name in tidy:
                    raise RowRefused(of.key, _twice(name, tidy[name].number))
                tidy[name] = line
            except RowRefused as error:
                self._refuse(kind, bad_row(line, name, error))
        before, alike = seen.add({name: line.number for name, line in tidy.items()})
        for name, line in tidy.items():
            if name in before:
                self._refuse(kind, bad_row(line, name, RowRefused(of.key, _twice(name, before[name]))))
                continue
            if name in alike:
                self._notice(Notice(line.where, f"{shown(name)!r} looks like {shown(alike[name])!r}: is it another?"))
            yield line

    def _save(self, kind: str, loading: _Kind[Any], good: list[GoodRow[Any]]) -> None:
        stored = []
        images = [image for row in good for image in (row.image, *row.views) if image]
        problems = dict(zip((image.ref.key for image in images), self._pictures.upload(images), strict=True))
        for row in good:
            for note in row.notes:
                self._notice(Notice(row.line.where, f"{shown(row.name)}: {note}"))
            of_row = [problems[image.ref.key] for image in (row.image, *row.views) if image]
            if problem := next(filter(None, of_row), None):
                self._refuse(kind, bad_row(row.line, row.name, RowRefused(loading.kind.image or "", str(problem))))
            else:
                stored.append(row)
        counts = self.report.counts[kind]
        for rows, outcome in loading.save(stored):
            if isinstance(outcome, CatalogRefused):
                self._refuse(kind, bad_row(rows[0].line, rows[0].name, outcome))
                continue
            counts.new += len(outcome.inserted)
            counts.changed += len(outcome.updated)
            counts.unchanged += len(rows) - len(outcome.inserted) - len(outcome.updated)

    def _refuse(self, kind: str, row: BadRow) -> None:
        self.report.counts[kind].refused += 1
        if len(self.report.bad) < MOST_KEPT:
            self.report.bad.append(row)
        self._listener.bad(row)

    def _notice(self, notice: Notice) -> None:
        if len(self.report.notices) < MOST_KEPT:
            self.report.notices.append(notice)
        self._listener.notice(notice)


class _Kind(Generic[T]):
    """How rows of one kind are checked against the catalog and saved."""

    def __init__(self, name: str, catalog: Catalog, pictures: Pictures) -> None:
        self.kind: Kind[T] = KINDS[name]
        self._catalog = catalog
        self._pictures = pictures
        self._saver: Callable[[Iterable[T]], Upserted] = getattr(catalog, f"save_{name}")
        if self.kind.type is Campaign:
            self._places, self._people = catalog.environments(), catalog.personas()

    def check(self, lines: Iterable[Line]) -> Iterator[GoodRow[T] | BadRow | Notice]:
        part = list(lines)
        names = [str(line.values.get(self.kind.key, "")) for line in part]
        known = self._known(names)
        self._pictures.fetch(image for line in part for image in named_images(line, self.kind))
        for line, name in zip(part, names, strict=True):
            try:
                row = check_row(line, self.kind, self._pictures, known.get(name))
                if isinstance(row.row, Campaign):
                    yield from self._check_references(line, row.row)
            except (RowRefused, PlanError) as error:
                yield bad_row(line, name, error)
            else:
                yield row

    def _known(self, names: list[str]) -> dict[str, KnownImage]:
        """What earlier imports found of these rows' images; packshots at which nobody looked are not known."""
        if self.kind.image is None:
            return {}
        if self.kind.type is Product:
            return {sku: KnownImage(*found) for sku, found in self._catalog.packshots(names).items()}
        digests = self._catalog.image_digests(self.kind.type, names)
        return {name: KnownImage(sha256) for name, sha256 in digests.items()}

    def _check_references(self, line: Line, campaign: Campaign) -> Iterator[Notice]:
        check_campaign(campaign, self._places, self._people)
        there = self._catalog.known_products(campaign.products)
        missing = [sku for sku in campaign.products if sku not in there]
        if missing and not there:
            raise RowRefused("products", f"product {missing[0]!r} is not in the catalog, nor is any other; import them")
        if missing:
            some = ", ".join(map(shown, missing[:5])) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            yield Notice(line.where, f"campaign {campaign.name!r} is loaded without {some}: not in the catalog")

    def save(self, rows: list[GoodRow[T]]) -> Iterator[tuple[list[GoodRow[T]], Upserted | CatalogRefused]]:
        """All rows at once; if the database refuses that, one by one, so that only its row is lost."""
        if not rows:
            return
        try:
            yield rows, self._saver([row.row for row in rows])
        except CatalogRefused as error:
            if len(rows) == 1:
                yield rows, error
                return
            for row in rows:
                yield from self.save([row])


def _twice(name: str, line: int) -> str:
    return f"{shown(name)!r} is on line {line} already; keep one of them"


def _unreadable(file: Path) -> str | None:
    if file.is_dir():
        return "is a folder; the file of that name was expected. Rename the folder, or move it"
    if not file.is_file():
        return "is no file but a device or pipe; write its rows to a file"
    try:
        file.open("rb").close()
    except OSError as error:
        return f"cannot be read ({error.strerror}); make it readable"
    return None


def rows_of(
    file: Path, kind: type, feed: str | Columns | None = None
) -> tuple[TextLines | XmlFeed, Iterator[Line | BadRow | Notice]]:
    """A file's rows, by its suffix or as the feed that it is said to be; and its source, which knows how much of it
    has been read."""
    if feed == "google" and _begins_like_xml(file):
        source = XmlFeed(file)
        return source, iter(source)
    lines = TextLines(file, encoding_of(file))
    if feed == "shopify":
        rows = shopify_rows(lines)
    elif feed is not None:
        rows = table_rows(lines, feed if isinstance(feed, Columns) else Columns(GOOGLE))
    else:
        rows = json_lines(lines) if file.suffix == ".jsonl" else table_rows(lines, OwnColumns(kind))
    return lines, chain(encoding_notice(lines), rows)


def _begins_like_xml(file: Path) -> bool:
    with file.open("rb") as data:
        return data.read(200).replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<")
