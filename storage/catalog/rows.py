"""What a team has and wants: products, environments, personas with their portraits, campaigns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Text, any_, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from brief.limits import STORED
from brief.types import Campaign, Environment, ImageRef, Persona, Product
from storage.catalog import audit
from storage.catalog.database import Database, Upserted, upsert
from storage.catalog.errors import RowMissing
from storage.catalog.records import StageOutput
from storage.catalog.tables import CampaignRow, CampaignState, EnvironmentRow, PersonaRow, PortraitRow, ProductRow

_PRODUCT, _ENVIRONMENT, _PERSONA = TypeAdapter(Product), TypeAdapter(Environment), TypeAdapter(Persona)
_IMAGE_COLUMNS: dict[type, tuple[Any, Any]] = {
    Product: (ProductRow.sku, ProductRow.packshot_sha256),
    Environment: (EnvironmentRow.name, EnvironmentRow.photo_sha256),
    Persona: (PersonaRow.name, PersonaRow.portrait_sha256),
}


_RETIRED_COLUMNS: Mapping[type, tuple[Any, Any]] = {
    Product: (ProductRow.sku, ProductRow.retired_at),
    Environment: (EnvironmentRow.name, EnvironmentRow.retired_at),
    Persona: (PersonaRow.name, PersonaRow.retired_at),
}


class Rows(Database):
    """Rows that an importer brings, and the portraits that were made from them."""

    def products(self) -> dict[str, Product]:
        """All products that have not left the feed, by SKU."""
        with self.begin() as session:
            here = select(ProductRow).where(ProductRow.retired_at.is_(None))
            return {row.sku: _product(row) for row in session.scalars(here)}

    def doubtful_packshots(self) -> list[Product]:
        """Products whose packshot waits for a person's approval, by SKU."""
        return [each for _, each in sorted(self.products().items()) if each.doubts]

    def approve_packshot(self, sku: str, who: str) -> None:
        """A person approves a product's packshot as it is, whatever was found doubtful about it.

        Raises:
            RowMissing: there is no such product.
        """
        with self.begin() as session:
            row = session.get(ProductRow, sku, with_for_update=True)
            if row is None:
                raise RowMissing(f"product {sku!r} is not in the catalog; import it first")
            row.approved_sha256 = row.packshot_sha256
            found = {"sku": sku, "packshot": row.packshot_sha256, "doubts": list(row.doubts or ())}
            audit.note(session, who, "packshot", why="packshot approved", details=found)

    def choose_portrait(self, persona: str, portrait: ImageRef, who: str) -> None:
        """A person chooses the portrait of a persona, as if the team had brought it; its shots are made again.

        Raises:
            RowMissing: there is no such persona.
        """
        with self.begin() as session:
            row = session.get(PersonaRow, persona, with_for_update=True)
            if row is None:
                raise RowMissing(f"persona {persona!r} is not in the catalog; import it first")
            found = {"persona": persona, "portrait": portrait.sha256, "before": row.portrait_sha256}
            row.portrait_key, row.portrait_sha256 = portrait.key, portrait.sha256
            audit.note(session, who, "portrait", why="portrait chosen", details=found)

    def known_products(self, skus: Collection[str]) -> set[str]:
        """Which of these SKUs the catalog has."""
        with self.begin() as session:
            return set(session.scalars(select(ProductRow.sku).where(_among(ProductRow.sku, skus))))

    def packshots(self, skus: Collection[str]) -> dict[str, tuple[str, tuple[str, ...]]]:
        """SHA-256 of the packshots of these products and what was found doubtful about them, where anybody looked;
        approved or not."""
        rows = select(ProductRow.sku, ProductRow.packshot_sha256, ProductRow.doubts)
        looked_at = rows.where(_among(ProductRow.sku, skus), ProductRow.doubts.is_not(None))
        with self.begin() as session:
            return {sku: (sha256, doubts or ()) for sku, sha256, doubts in session.execute(looked_at)}

    def image_digests(self, kind: type, names: Collection[str]) -> dict[str, str]:
        """SHA-256 of the images that the catalog has for these products, environments or personas. Campaigns, of which
        there are few, are looked at again."""
        if kind not in _IMAGE_COLUMNS:
            return {}
        key, digest = _IMAGE_COLUMNS[kind]
        with self.begin() as session:
            return dict(session.execute(select(key, digest).where(_among(key, names), digest.is_not(None))).all())

    def environments(self) -> dict[str, Environment]:
        """All environments by name."""
        with self.begin() as session:
            return {row.name: _environment(row) for row in session.scalars(select(EnvironmentRow))}

    def personas(self) -> dict[str, Persona]:
        """All personas by name."""
        with self.begin() as session:
            return {row.name: _persona(row) for row in session.scalars(select(PersonaRow))}

    def campaigns(self, names: Sequence[str] | None = None) -> list[Campaign]:
        """The campaigns of these names, or all; by name.

        Raises:
            RowMissing: a name that the catalog does not have.
        """
        with self.begin() as session:
            known = {row.name: row.brief for row in session.scalars(select(CampaignRow))}
        for name in names or ():
            if name not in known:
                some = ", ".join(sorted(known)) or "none at all"
                raise RowMissing(f"campaign {name!r} is not in the catalog, which has {some}; import it first")
        return [known[name] for name in sorted(known if names is None else set(names))]

    def campaign_states(self) -> dict[str, CampaignState]:
        """Whether runs take each campaign up, by its name."""
        with self.begin() as session:
            return dict(session.execute(select(CampaignRow.name, CampaignRow.state)).all())

    def retired(self, kind: type[Product] | type[Environment] | type[Persona]) -> frozenset[str]:
        """SKUs or names of what is not used any more; see :mod:`storage.catalog.retiring`."""
        key, retired_at = _RETIRED_COLUMNS[kind]
        with self.begin() as session:
            return frozenset(session.scalars(select(key).where(retired_at.is_not(None))))

    def usable_skus(self, most: int) -> list[str]:
        """SKUs of products that are not retired, in order, at most so many."""
        query = select(ProductRow.sku).where(ProductRow.retired_at.is_(None)).order_by(ProductRow.sku).limit(most)
        with self.begin() as session:
            return list(session.scalars(query))

    def save_products(self, products: Iterable[Product]) -> Upserted:
        """Insert or update; ``updated_at`` moves only where something changed. One that had left the feed is back; one
        that a person retired stays so."""
        values = [_product_values(product) for product in products]
        fresh = {"left_feed": False, "retired_at": None, "updated_at": datetime.now(UTC)}
        with self.begin() as session:
            done = upsert(session, ProductRow, values)
            named = _among(ProductRow.sku, [row["sku"] for row in values])
            returning = update(ProductRow).where(named, ProductRow.left_feed).values(fresh).returning(ProductRow.sku)
            back = list(session.scalars(returning))
        return Upserted(done.inserted, (*done.updated, *sorted(set(back) - {*done.updated})))

    def save_environments(self, environments: Iterable[Environment]) -> Upserted:
        """Insert or update, as :meth:`save_products`."""
        with self.begin() as session:
            return upsert(session, EnvironmentRow, map(_environment_values, environments))

    def save_personas(self, personas: Iterable[Persona]) -> Upserted:
        """Insert or update, as :meth:`save_products`."""
        with self.begin() as session:
            return upsert(session, PersonaRow, map(_persona_values, personas))

    def save_campaigns(self, campaigns: Iterable[Campaign]) -> Upserted:
        """Insert or update, as :meth:`save_products`."""
        with self.begin() as session:
            return upsert(session, CampaignRow, map(_campaign_values, campaigns))

    def record_portrait(self, key: str, persona: Persona, output: StageOutput) -> None:
        """A portrait was synthesised; ``key`` is :func:`brief.recipe.portrait_key`. A persona that the catalog does
        not have any more keeps no portrait."""
        values = {
            "key": key,
            "persona": persona.name,
            "spec": persona,
            "object_key": output.ref.key,
            "sha256": output.ref.sha256,
            "seconds": output.seconds,
            "made_by": output.made_by,
        }
        unnoted = [name for name in ("seconds", "made_by") if values[name] is None]
        with self.begin() as session:
            if session.get(PersonaRow, persona.name) is not None:
                upsert(session, PortraitRow, [values], keep=unnoted)

    def portrait_outputs(self, keys: Iterable[str]) -> dict[str, StageOutput]:
        """What is recorded of synthesised portraits, by key; unknown keys are left out."""
        query = select(PortraitRow).where(PortraitRow.key.in_(list(keys)))
        with self.begin() as session:
            return {
                row.key: StageOutput(ImageRef(row.object_key, row.sha256), row.seconds, row.made_by)
                for row in session.scalars(query)
            }

    def portraits(self) -> dict[str, ImageRef]:
        """The portrait of each persona as it is now, by name: the one its team brought, else the latest that was made
        of just these features and this seed; a persona without one is left out."""
        newest_last = select(PortraitRow).order_by(PortraitRow.updated_at, PortraitRow.key)
        with self.begin() as session:
            personas = {row.name: _persona(row) for row in session.scalars(select(PersonaRow))}
            made = {
                row.persona: ImageRef(row.object_key, row.sha256)
                for row in session.scalars(newest_last)
                if row.spec == personas[row.persona]
            }
        return made | {name: each.portrait for name, each in personas.items() if each.portrait}


def _among(column: Any, names: Collection[str]) -> ColumnElement[bool]:
    """Whether a column is one of many names, which go as one parameter: one each takes longer to put together than to
    look up."""
    return column == any_(literal(list(names), ARRAY(Text)))  # type: ignore[no-any-return]


def _product_values(product: Product) -> dict[str, Any]:
    return {
        "sku": product.sku,
        "title": product.title,
        "category": product.category,
        "packshot_key": product.packshot.key,
        "packshot_sha256": product.packshot.sha256,
        "attributes": dict(product.attributes),
        "views": product.views,
        "doubts": product.doubts,
    }


def _product(row: ProductRow) -> Product:
    values = {
        "sku": row.sku,
        "title": row.title,
        "category": row.category,
        "packshot": {"key": row.packshot_key, "sha256": row.packshot_sha256},
        "attributes": row.attributes,
        "views": row.views,
        "doubts": () if row.approved_sha256 == row.packshot_sha256 else row.doubts or (),
    }
    return _PRODUCT.validate_python(values, context=STORED)


def _environment_values(environment: Environment) -> dict[str, Any]:
    return {
        "name": environment.name,
        "description": environment.description,
        "photo_key": environment.photo.key,
        "photo_sha256": environment.photo.sha256,
        "surface": environment.surface,
    }


def _environment(row: EnvironmentRow) -> Environment:
    photo = {"key": row.photo_key, "sha256": row.photo_sha256}
    values = {"name": row.name, "description": row.description, "photo": photo, "surface": row.surface}
    return _ENVIRONMENT.validate_python(values, context=STORED)


def _persona_values(persona: Persona) -> dict[str, Any]:
    return {
        "name": persona.name,
        "face": persona.face.chosen(),
        "seed": persona.seed,
        "portrait_key": persona.portrait.key if persona.portrait else None,
        "portrait_sha256": persona.portrait.sha256 if persona.portrait else None,
    }


def _persona(row: PersonaRow) -> Persona:
    brought = ImageRef(row.portrait_key, row.portrait_sha256) if row.portrait_key and row.portrait_sha256 else None
    values = {"name": row.name, "face": row.face, "seed": row.seed, "portrait": brought}
    return _PERSONA.validate_python(values, context=STORED)


def _campaign_values(campaign: Campaign) -> dict[str, Any]:
    """Columns of a campaign's row."""
    return {"name": campaign.name, "title": campaign.title, "brief": campaign}
