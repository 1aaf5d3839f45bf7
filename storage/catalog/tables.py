"""The catalog's tables. One row per thing of the design's word list; JSON only for what is never searched by.

Times are UTC. ``updated_at`` moves only when something in the row changed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, ForeignKey, Index, MetaData, String, Text, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class UtcDateTime(TypeDecorator[datetime]):
    """A time with its zone, kept in UTC; SQLite, which has no zones, gets it without and gives it back with."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class ShotState(StrEnum):
    """Where a shot stands."""

    PLANNED = "planned"
    COMPOSED = "composed"
    REFINED = "refined"
    SCORED = "scored"
    PUBLISHED = "published"
    REVIEW = "review"
    REJECTED = "rejected"
    FAILED = "failed"
    SUPERSEDED = "superseded"


class Decision(StrEnum):
    """A person's answer to a review."""

    APPROVE = "approve"
    REJECT = "reject"
    RETAKE = "retake"
    """Turned down, and another take asked for."""


class Base(DeclarativeBase):
    """Names every constraint, since a migration can only change what it can name."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: Json, list[str]: Json, str: Text}  # noqa: RUF012


class CampaignState(StrEnum):
    """Whether runs over all campaigns take a campaign up."""

    ACTIVE = "active"
    PAUSED = "paused"
    """Left out until it is active again; one that is asked for by name is made."""
    ENDED = "ended"
    """Nothing of it is made any more."""
    ARCHIVED = "archived"
    """Ended, and left out of lists."""


class ProductRow(Base):
    __tablename__ = "product"

    sku: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    category: Mapped[str]
    packshot_key: Mapped[str]
    packshot_sha256: Mapped[str] = mapped_column(String(64))
    attributes: Mapped[dict[str, Any]]
    retired_at: Mapped[datetime | None]
    """Since when nothing is made of it any more."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class EnvironmentRow(Base):
    __tablename__ = "environment"

    name: Mapped[str] = mapped_column(primary_key=True)
    description: Mapped[str]
    photo_key: Mapped[str]
    photo_sha256: Mapped[str] = mapped_column(String(64))
    retired_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class PersonaRow(Base):
    __tablename__ = "persona"

    name: Mapped[str] = mapped_column(primary_key=True)
    face: Mapped[dict[str, Any]]
    seed: Mapped[int] = mapped_column(BigInteger)
    portrait_key: Mapped[str | None]
    portrait_sha256: Mapped[str | None] = mapped_column(String(64))
    retired_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class CampaignRow(Base):
    """``brief`` is the whole :class:`brief.types.Campaign`."""

    __tablename__ = "campaign"

    name: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    brief: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(16), server_default=CampaignState.ACTIVE.value)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ShotRow(Base):
    """``spec`` is the whole :class:`brief.types.Shot`; the columns beside it are what is searched by."""

    __tablename__ = "shot"
    __table_args__ = (Index(None, "campaign", "state"), Index(None, "updated_at", "key"))

    key: Mapped[str] = mapped_column(String(32), primary_key=True)
    campaign: Mapped[str] = mapped_column(ForeignKey("campaign.name"))
    sku: Mapped[str] = mapped_column(ForeignKey("product.sku"), index=True)
    environment: Mapped[str] = mapped_column(ForeignKey("environment.name"), index=True)
    persona: Mapped[str | None] = mapped_column(ForeignKey("persona.name"), index=True)
    framing: Mapped[str]
    spec: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None]
    """In words, for failed, rejected and review."""
    run_id: Mapped[str]
    """The run that planned it first."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class TakeRow(Base):
    __tablename__ = "take"

    key: Mapped[str] = mapped_column(String(32), primary_key=True)
    shot_key: Mapped[str] = mapped_column(ForeignKey("shot.key"), index=True)
    number: Mapped[int]
    seed: Mapped[int] = mapped_column(BigInteger)
    changes: Mapped[dict[str, Any]]
    words: Mapped[str] = mapped_column(server_default="")
    """What a person added to the shot's prompt for this take."""
    composed_key: Mapped[str | None]
    composed_sha256: Mapped[str | None] = mapped_column(String(64))
    refined_key: Mapped[str | None]
    refined_sha256: Mapped[str | None] = mapped_column(String(64))
    seconds: Mapped[dict[str, Any]]
    """Per stage, of the attempt whose output was kept."""
    verdict: Mapped[str | None] = mapped_column(String(16))
    scorecard: Mapped[dict[str, Any] | None] = mapped_column(Json)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class AssetRow(Base):
    __tablename__ = "asset"

    shot_key: Mapped[str] = mapped_column(ForeignKey("shot.key"), primary_key=True)
    take_key: Mapped[str] = mapped_column(ForeignKey("take.key"))
    master_key: Mapped[str]
    master_sha256: Mapped[str] = mapped_column(String(64))
    manifest_key: Mapped[str]
    manifest_sha256: Mapped[str] = mapped_column(String(64))
    renditions: Mapped[dict[str, Any]]
    run_id: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(index=True)
    updated_at: Mapped[datetime]


class ReviewRow(Base):
    """A doubtful take that waits for a person; decided once."""

    __tablename__ = "review"

    id: Mapped[int] = mapped_column(primary_key=True)
    shot_key: Mapped[str] = mapped_column(ForeignKey("shot.key"), index=True)
    take_key: Mapped[str] = mapped_column(ForeignKey("take.key"), unique=True)
    reasons: Mapped[list[str]]
    opened_at: Mapped[datetime]
    decision: Mapped[str | None] = mapped_column(String(16), index=True)
    decided_by: Mapped[str | None]
    note: Mapped[str | None]
    decided_at: Mapped[datetime | None]


class RetakeRequestRow(Base):
    """A take that a person asked for: it is shown to a person, whatever its scorecard says."""

    __tablename__ = "retake_request"

    take_key: Mapped[str] = mapped_column(ForeignKey("take.key"), primary_key=True)
    shot_key: Mapped[str] = mapped_column(ForeignKey("shot.key"), index=True)
    asked_by: Mapped[str]
    asked_at: Mapped[datetime]
    why: Mapped[str]


class RunRow(Base):
    """A DAG run that planned: what it was asked and what it found. Run ids are unique within a DAG only."""

    __tablename__ = "run"

    dag_id: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(primary_key=True)
    asked: Mapped[dict[str, Any]]
    """The run's params and its data interval."""
    found: Mapped[dict[str, Any]]
    """What planning said: counts by campaign, problems by campaign."""
    started_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]


class RunShotRow(Base):
    """A shot that a run took up; several runs may share one."""

    __tablename__ = "run_shot"

    dag_id: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(primary_key=True)
    shot_key: Mapped[str] = mapped_column(ForeignKey("shot.key"), primary_key=True, index=True)


class AuditRow(Base):
    """Who did what, when and why. Rows are never changed."""

    __tablename__ = "audit"
    __table_args__ = (Index(None, "at", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    who: Mapped[str]
    action: Mapped[str] = mapped_column(String(32))
    shot_key: Mapped[str | None] = mapped_column(String(32), index=True)
    campaign: Mapped[str | None]
    sku: Mapped[str | None]
    why: Mapped[str]
    details: Mapped[dict[str, Any]]
