"""The catalog: what a team has, what it wants, what became of it. Each method is one transaction.

Everything that is recorded may be recorded again, by the same run or another at the same time: the rows end the same.
Every method raises ``CatalogUnreachable`` when the database does not answer and ``SchemaMissing`` when it was not
migrated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from brief.plan import Plan
from brief.types import Asset, Campaign, Environment, ImageRef, Persona, Product, Scorecard, Shot, Take
from storage.catalog import gallery, reviews, rows, shots, takes
from storage.catalog.engine import make_engine
from storage.catalog.errors import RowMissing, naming_the_database
from storage.catalog.gallery import ShotFilter
from storage.catalog.records import PlanRecord, Progress, ReviewRecord, ShotHistory, ShotPage, TakeRecord
from storage.catalog.shots import Reprocess
from storage.catalog.tables import (
    CampaignRow,
    Decision,
    EnvironmentRow,
    PersonaRow,
    ProductRow,
    ShotState,
)
from storage.catalog.upsert import Upserted, upsert


class Catalog:
    """The catalog in one database; threads may share it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def at(cls, url: str) -> Catalog:
        """The catalog at a database URL; see :func:`storage.catalog.engine.make_engine`."""
        return cls(make_engine(url))

    # What a team has

    def products(self) -> dict[str, Product]:
        """All products by SKU."""
        with self._transaction() as session:
            return {row.sku: rows.product_of(row) for row in session.scalars(select(ProductRow))}

    def environments(self) -> dict[str, Environment]:
        """All environments by name."""
        with self._transaction() as session:
            return {row.name: rows.environment_of(row) for row in session.scalars(select(EnvironmentRow))}

    def personas(self) -> dict[str, Persona]:
        """All personas by name."""
        with self._transaction() as session:
            return {row.name: rows.persona_of(row) for row in session.scalars(select(PersonaRow))}

    def campaigns(self, names: Sequence[str] | None = None) -> list[Campaign]:
        """The campaigns of these names, or all; by name.

        Raises:
            RowMissing: a name that the catalog does not have.
        """
        with self._transaction() as session:
            found = {row.name: rows.campaign_of(row) for row in session.scalars(select(CampaignRow))}
        for name in names or ():
            if name not in found:
                known = ", ".join(sorted(found)) or "none at all"
                raise RowMissing(f"campaign {name!r} is not in the catalog, which has {known}; import it first")
        return [found[name] for name in sorted(found if names is None else set(names))]

    def save_products(self, products: Iterable[Product]) -> Upserted:
        """Insert or update; ``updated_at`` moves only where something changed."""
        with self._transaction() as session:
            return upsert(session, ProductRow, map(rows.product_values, products))

    def save_environments(self, environments: Iterable[Environment]) -> Upserted:
        """Insert or update, as :meth:`save_products`."""
        with self._transaction() as session:
            return upsert(session, EnvironmentRow, map(rows.environment_values, environments))

    def save_personas(self, personas: Iterable[Persona]) -> Upserted:
        """Insert or update, as :meth:`save_products`."""
        with self._transaction() as session:
            return upsert(session, PersonaRow, map(rows.persona_values, personas))

    def save_campaigns(self, campaigns: Iterable[Campaign]) -> Upserted:
        """Insert or update, as :meth:`save_products`."""
        with self._transaction() as session:
            return upsert(session, CampaignRow, map(rows.campaign_values, campaigns))

    # What is wanted

    def record_plan(self, campaign: Campaign, plan: Plan, run_id: str) -> PlanRecord:
        """Save the campaign and its plan: new shots become ``planned``; shots that it no longer wants become
        ``superseded``; superseded ones that it wants again get the state that they had reached."""
        with self._transaction() as session:
            return shots.record_plan(session, campaign, plan, run_id)

    def outstanding(self, campaign: str, reprocess: Reprocess | str = Reprocess.MISSING) -> list[Shot]:
        """Shots to be made, those of one persona and product next to each other.

        Args:
            reprocess: "missing" (planned and not finished), or also "failed", "rejected" or "all" that ended so.
        """
        with self._transaction() as session:
            return shots.outstanding(session, campaign, Reprocess(reprocess))

    def shots(self, keys: Sequence[str]) -> list[Shot]:
        """The shots with these keys, in their order; unknown keys are left out."""
        with self._transaction() as session:
            return shots.shots(session, keys)

    def states(self, keys: Sequence[str]) -> dict[str, ShotState]:
        """Where these shots stand; unknown keys are left out."""
        with self._transaction() as session:
            return shots.states(session, keys)

    def takes(self, shot_keys: Sequence[str]) -> dict[str, list[TakeRecord]]:
        """All takes of these shots, each shot's by number."""
        with self._transaction() as session:
            return takes.takes(session, shot_keys)

    # What became of it

    def record_take(self, take: Take, state: ShotState, image: ImageRef, seconds: float | None = None) -> None:
        """A take was composed or refined (``state``) and left ``image`` in the bucket.

        Args:
            seconds: how long that took; ``None`` when the image was there already.

        Raises:
            RowMissing: the catalog does not have the shot.
        """
        with self._transaction() as session:
            takes.record_take(session, take, state, image, seconds)

    def record_scorecard(self, take_key: str, scorecard: Scorecard, seconds: float | None = None) -> None:
        """A take was scored.

        Raises:
            RowMissing: the catalog does not have the take.
        """
        with self._transaction() as session:
            takes.record_scorecard(session, take_key, scorecard, seconds)

    def record_failure(self, shot_key: str, stage: str, reason: str) -> None:
        """A shot could not be made; ``reason`` is for the person who must act."""
        with self._transaction() as session:
            shots.set_state(session, [shot_key], ShotState.FAILED, f"{stage}: {reason}")

    def record_rejection(self, shot_key: str, reasons: Sequence[str]) -> None:
        """No take of a shot was good enough."""
        with self._transaction() as session:
            shots.set_state(session, [shot_key], ShotState.REJECTED, "; ".join(reasons))

    def record_asset(self, asset: Asset, run_id: str, take: Take | None = None) -> None:
        """A shot was published: its asset and its state in one step.

        Args:
            take: what it was made from, for a catalog that does not have it: one set up anew over an older bucket.
        """
        with self._transaction() as session:
            takes.record_asset(session, asset, run_id, take)

    # What a person decides

    def open_review(self, shot_key: str, take_key: str, reasons: Sequence[str]) -> int:
        """Ask a person about a take; returns the review's id. Asking again about the same take changes nothing."""
        with self._transaction() as session:
            return reviews.open_review(session, shot_key, take_key, reasons)

    def decide(self, review_id: int, decision: Decision | str, who: str, note: str = "") -> None:
        """A person's answer: "approve" or "reject". An approved shot is published by the upkeep run.

        Raises:
            AlreadyDecided: somebody answered before; says who and when.
            RowMissing: there is no such review.
        """
        with self._transaction() as session:
            reviews.decide(session, review_id, Decision(decision), who, note)

    def reviews(self, *, waiting: bool = True, offset: int = 0, limit: int = 50) -> list[ReviewRecord]:
        """Reviews that wait (oldest first), or those that were answered (latest first)."""
        with self._transaction() as session:
            return reviews.reviews(session, waiting=waiting, offset=offset, limit=limit)

    def review(self, review_id: int) -> ReviewRecord:
        """One review.

        Raises:
            RowMissing: there is no such review.
        """
        with self._transaction() as session:
            return reviews.review(session, review_id)

    def approved_unpublished(self) -> list[ReviewRecord]:
        """What was approved and waits for its publication."""
        with self._transaction() as session:
            return reviews.approved_unpublished(session)

    # What is shown

    def totals(self, campaign: str | None = None) -> Mapping[ShotState, int]:
        """Number of shots in every state, of one campaign or of all."""
        with self._transaction() as session:
            return shots.totals(session, campaign)

    def progress(self, campaign: str | None = None) -> Progress:
        """How far the wanted shots have come, stage by stage."""
        with self._transaction() as session:
            return shots.progress(session, campaign)

    def find_shots(self, wanted: ShotFilter, *, offset: int = 0, limit: int = 50) -> ShotPage:
        """A page of shots with their latest take and asset; what changed last comes first."""
        with self._transaction() as session:
            return gallery.find_shots(session, wanted, offset, limit)

    def history(self, shot_key: str) -> ShotHistory:
        """All that is known of one shot.

        Raises:
            RowMissing: there is no such shot.
        """
        with self._transaction() as session:
            return gallery.history(session, shot_key)

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """A transaction for the functions of this package: committed at the end, rolled back by an exception."""
        with self._transaction() as session:
            yield session

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        with naming_the_database(self.engine), Session(self.engine) as session, session.begin():
            yield session
