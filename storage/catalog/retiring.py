"""Ending things: a campaign is paused, ended, archived; a product, an environment or a persona is retired.

Each is one transaction together with its entry in the audit log. Nothing is deleted: what was published stays in the
bucket until a person withdraws it (:func:`take_downs` lists it), and all of it can be taken back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from brief.types import Environment, Persona, Product
from storage.catalog import audit
from storage.catalog.errors import RowMissing
from storage.catalog.shots import set_state
from storage.catalog.tables import (
    CampaignRow,
    CampaignState,
    EnvironmentRow,
    PersonaRow,
    ProductRow,
    PublicationRow,
    ShotRow,
    ShotState,
)

Retirable = type[Product] | type[Environment] | type[Persona]
KINDS: tuple[Retirable, ...] = (Product, Environment, Persona)
OVER = (CampaignState.ENDED, CampaignState.ARCHIVED)
_TABLES: Mapping[type, Any] = {Product: ProductRow, Environment: EnvironmentRow, Persona: PersonaRow}
_COLUMNS = {Product: ShotRow.sku, Environment: ShotRow.environment, Persona: ShotRow.persona}


@dataclass(frozen=True, slots=True)
class TakeDown:
    """A published shot that nobody wants any more: to be withdrawn (:func:`pipeline.current.withdraw`), or kept."""

    shot_key: str
    campaign: str
    sku: str
    why: str
    manifest_key: str


def set_campaign_state(session: Session, name: str, state: CampaignState, who: str, why: str = "") -> int:
    """Pause, end, archive or resume a campaign; returns how many outstanding shots that superseded.

    A paused campaign keeps its shots and is left out of runs over all campaigns; one that is over loses those that are
    not published. Resumed, its outstanding shots are made by the next nightly run.

    Raises:
        RowMissing: the catalog does not have the campaign.
    """
    row = session.get(CampaignRow, name, with_for_update=True)
    if row is None:
        raise RowMissing(f"campaign {name!r} is not in the catalog")
    if row.state == state:
        return 0
    audit.note(session, who, state.value, campaign=name, why=why.strip(), details={"before": row.state.value})
    row.state, row.updated_at = state, datetime.now(UTC)
    if state not in OVER:
        return 0
    return _supersede(session, ShotRow.campaign == name, f"the campaign was {state.value} by {who}")


def retire(session: Session, kind: Retirable, name: str, who: str, why: str = "") -> int:
    """Make nothing more of a product, in an environment or with a persona; returns how many outstanding shots that
    superseded. What is published of it is listed by :func:`take_downs`.

    Raises:
        RowMissing: the catalog does not have it.
    """
    row = _row(session, kind, name)
    if isinstance(row, ProductRow):
        row.left_feed = False  # from now on no feed brings it back
    if row.retired_at is not None:
        return 0
    row.retired_at = row.updated_at = datetime.now(UTC)
    what = kind.__name__.lower()
    audit.note(session, who, "retire", why=why.strip(), details={what: name})
    return _supersede(session, _COLUMNS[kind] == name, f"{what} {name!r} was retired by {who}")


def restore(session: Session, kind: Retirable, name: str, who: str, why: str = "") -> None:
    """Use what was retired again; the next run claims its shots where they stood.

    Raises:
        RowMissing: the catalog does not have it.
    """
    row = _row(session, kind, name)
    if row.retired_at is None:
        return
    row.retired_at, row.updated_at = None, datetime.now(UTC)
    if isinstance(row, ProductRow):
        row.left_feed = False
    audit.note(session, who, "restore", why=why.strip(), details={kind.__name__.lower(): name})


def take_downs(session: Session, limit: int = 1000) -> list[TakeDown]:
    """What is published and not wanted any more, the latest first: of retired rows, of campaigns that are over, and of
    shots that a newer plan replaced."""
    query = (
        select(ShotRow, PublicationRow.manifest_key)
        .join(PublicationRow, PublicationRow.shot_key == ShotRow.key)
        .join(CampaignRow, CampaignRow.name == ShotRow.campaign)
        .join(ProductRow, ProductRow.sku == ShotRow.sku)
        .join(EnvironmentRow, EnvironmentRow.name == ShotRow.environment)
        .outerjoin(PersonaRow, PersonaRow.name == ShotRow.persona)
        .where(
            (ShotRow.state == ShotState.SUPERSEDED)
            | ProductRow.retired_at.is_not(None)
            | EnvironmentRow.retired_at.is_not(None)
            | PersonaRow.retired_at.is_not(None)
            | CampaignRow.state.in_(OVER)
        )
        .order_by(ShotRow.updated_at.desc(), ShotRow.key)
        .limit(limit)
    )
    return [
        TakeDown(row.key, row.campaign, row.sku, row.reason or "its product, place, persona or campaign is over", key)
        for row, key in session.execute(query)
    ]


def _row(session: Session, kind: Retirable, name: str) -> ProductRow | EnvironmentRow | PersonaRow:
    row: Any = session.get(_TABLES[kind], name, with_for_update=True)
    if row is None:
        raise RowMissing(f"{kind.__name__.lower()} {name!r} is not in the catalog")
    return row  # type: ignore[no-any-return]


def _supersede(session: Session, condition: ColumnElement[bool], reason: str) -> int:
    kept = (ShotState.PUBLISHED, ShotState.SUPERSEDED)
    keys = list(session.scalars(select(ShotRow.key).where(condition, ShotRow.state.not_in(kept))))
    set_state(session, keys, ShotState.SUPERSEDED, reason)
    return len(keys)
