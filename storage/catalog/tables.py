"""The catalog's tables in PostgreSQL. One row per thing of the design's word list; JSON only for what is never
searched by, each column with its shape and version (:mod:`storage.catalog.json_types`).

Times are UTC. ``updated_at`` moves only when something in the row changed.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, DateTime, Enum, ForeignKey, Index, MetaData, String, Text, false, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from brief.types import Campaign, ImageRef, MadeBy, Persona, Scorecard, Shot, Threshold, Verdict
from storage.catalog.json_types import Versioned, scorecard_1_to_2


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

    @property
    def turns_down(self) -> bool:
        return self is not Decision.APPROVE


class CampaignState(StrEnum):
    """Whether runs over all campaigns take a campaign up."""

    ACTIVE = "active"
    PAUSED = "paused"
    """Left out until it is active again; one that is asked for by name is made."""
    ENDED = "ended"
    """Nothing of it is made any more."""
    ARCHIVED = "archived"
    """Ended, and left out of lists."""


def _word(kind: type[StrEnum]) -> Enum:
    """One of a few words, as text: a new word then needs no migration."""
    return Enum(kind, native_enum=False, length=16, values_callable=lambda words: [word.value for word in words])


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
    type_annotation_map = {  # noqa: RUF012
        datetime: DateTime(timezone=True),
        str: Text,
        ShotState: _word(ShotState),
        Decision: _word(Decision),
        CampaignState: _word(CampaignState),
        Verdict: _word(Verdict),
    }


class ProductRow(Base):
    __tablename__ = "product"

    sku: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    category: Mapped[str]
    packshot_key: Mapped[str]
    packshot_sha256: Mapped[str] = mapped_column(String(64))
    attributes: Mapped[dict[str, str]] = mapped_column(Versioned(dict[str, str]))
    views: Mapped[tuple[ImageRef, ...]] = mapped_column(
        Versioned(tuple[ImageRef, ...]), server_default=text("""'{"version": 1, "value": []}'::jsonb""")
    )
    doubts: Mapped[tuple[str, ...] | None] = mapped_column(Versioned(tuple[str, ...]))
    """What is doubtful about the packshot; ``NULL`` where nobody looked, as before migration 0005."""
    approved_sha256: Mapped[str | None] = mapped_column(String(64))
    """Of the packshot that a person approved in spite of its doubts."""
    retired_at: Mapped[datetime | None]
    """Since when nothing is made of it any more."""
    left_feed: Mapped[bool] = mapped_column(server_default=false())
    """That is because an import did not find it, and one that does brings it back; what a person retired stays so."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime] = mapped_column(index=True)


class EnvironmentRow(Base):
    __tablename__ = "environment"

    name: Mapped[str] = mapped_column(primary_key=True)
    description: Mapped[str]
    photo_key: Mapped[str]
    photo_sha256: Mapped[str] = mapped_column(String(64))
    surface: Mapped[float | None]
    retired_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class PersonaRow(Base):
    __tablename__ = "persona"

    name: Mapped[str] = mapped_column(primary_key=True)
    face: Mapped[dict[str, Any]] = mapped_column(Versioned(dict[str, Any]))
    """The chosen features alone."""
    seed: Mapped[int] = mapped_column(BigInteger)
    portrait_key: Mapped[str | None]
    portrait_sha256: Mapped[str | None] = mapped_column(String(64))
    retired_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class PortraitRow(Base):
    """A portrait that was synthesised, of the persona as it was then."""

    __tablename__ = "portrait"

    key: Mapped[str] = mapped_column(String(32), primary_key=True)
    """See :func:`brief.recipe.portrait_key`."""
    persona: Mapped[str] = mapped_column(ForeignKey("persona.name"), index=True)
    spec: Mapped[Persona] = mapped_column(Versioned(Persona))
    object_key: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64))
    """Empty where nobody noted it, as before migration 0003."""
    seconds: Mapped[float | None]
    made_by: Mapped[MadeBy | None] = mapped_column(Versioned(MadeBy))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class CampaignRow(Base):
    __tablename__ = "campaign"

    name: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    brief: Mapped[Campaign] = mapped_column(Versioned(Campaign))
    state: Mapped[CampaignState] = mapped_column(server_default=CampaignState.ACTIVE.value)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ShotRow(Base):
    """``spec`` is the whole shot; the columns beside it are what is searched by."""

    __tablename__ = "shot"
    __table_args__ = (
        # What these hold besides is for numbers over many shots, which then need not read the wide rows.
        Index(None, "campaign", "state", postgresql_include=["seconds"]),
        Index("ix_shot_counted", "key", postgresql_include=["campaign", "state", "environment", "persona", "framing"]),
        Index(None, "updated_at", "key"),
        Index(None, "state", "updated_at", "key"),
        Index("ix_shot_sku_key", "sku", "key"),
    )

    key: Mapped[str] = mapped_column(String(32), primary_key=True)
    campaign: Mapped[str] = mapped_column(ForeignKey("campaign.name"))
    sku: Mapped[str] = mapped_column(ForeignKey("product.sku"))
    environment: Mapped[str] = mapped_column(ForeignKey("environment.name"), index=True)
    persona: Mapped[str | None] = mapped_column(ForeignKey("persona.name"), index=True)
    framing: Mapped[str]
    spec: Mapped[Shot] = mapped_column(Versioned(Shot))
    state: Mapped[ShotState]
    own_alt_text: Mapped[str | None]
    """What a person wrote that its picture shows."""
    reason: Mapped[str | None]
    """In words, for failed, rejected and review, and for what must be made again."""
    seconds: Mapped[float] = mapped_column(server_default="0")
    """Of machine time, of all its takes' outputs together."""
    dag_id: Mapped[str]
    """With ``run_id``: the run that planned it first. Empty before migration 0003."""
    run_id: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class TakeOutputRow(Base):
    """What one stage left of a take."""

    __tablename__ = "take_output"
    __table_args__ = (Index(None, "created_at", postgresql_include=["take_key", "stage", "seconds"]),)

    take_key: Mapped[str] = mapped_column(ForeignKey("take.key"), primary_key=True)
    stage: Mapped[str] = mapped_column(String(16), primary_key=True)
    object_key: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64))
    """Empty where nobody noted it, as of scorecards before migration 0003."""
    seconds: Mapped[float | None]
    """Of the attempt whose output was kept."""
    made_by: Mapped[MadeBy | None] = mapped_column(Versioned(MadeBy))
    """As the generation service said; not known before migration 0003."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ReviewRow(Base):
    """A doubtful take that waits for a person; decided once."""

    __tablename__ = "review"
    __table_args__ = (
        Index("ix_review_waiting", "id", postgresql_where=text("decision IS NULL")),
        Index("ix_review_decided_at", "decided_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    shot_key: Mapped[str] = mapped_column(ForeignKey("shot.key"), index=True)
    take_key: Mapped[str] = mapped_column(ForeignKey("take.key"), unique=True)
    picture_sha256: Mapped[str | None] = mapped_column(String(64))
    """Of the picture that the person is asked about."""
    reasons: Mapped[tuple[str, ...]] = mapped_column(Versioned(tuple[str, ...]))
    opened_at: Mapped[datetime]
    decision: Mapped[Decision | None] = mapped_column(index=True)
    decided_by: Mapped[str | None]
    note: Mapped[str | None]
    decided_at: Mapped[datetime | None]


class TakeRow(Base):
    __tablename__ = "take"

    key: Mapped[str] = mapped_column(String(32), primary_key=True)
    shot_key: Mapped[str] = mapped_column(ForeignKey("shot.key"), index=True)
    number: Mapped[int]
    seed: Mapped[int] = mapped_column(BigInteger)
    changes: Mapped[dict[str, float]] = mapped_column(Versioned(dict[str, float]))
    words: Mapped[str] = mapped_column(server_default="")
    """What a person added to the shot's prompt for this take."""
    verdict: Mapped[Verdict | None]
    scorecard: Mapped[Scorecard | None] = mapped_column(Versioned(Scorecard, (scorecard_1_to_2,)))
    mean_score: Mapped[float] = mapped_column(server_default="0", index=True)
    """Mean of the scorecard's values, to order by; 0 before it is scored."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    outputs: Mapped[list[TakeOutputRow]] = relationship(lazy="selectin", viewonly=True)
    review: Mapped[ReviewRow | None] = relationship(lazy="selectin", viewonly=True)


class CalibrationRow(Base):
    """Thresholds that were made from takes that people, or a test, labelled. The latest of a bundle and its scorers
    counts."""

    __tablename__ = "calibration"

    id: Mapped[int] = mapped_column(primary_key=True)
    bundle: Mapped[str] = mapped_column(String(32), index=True)
    """Fingerprint."""
    scorers: Mapped[str] = mapped_column(String(32))
    """Fingerprint."""
    thresholds: Mapped[dict[str, Threshold]] = mapped_column(Versioned(dict[str, Threshold]))
    takes: Mapped[int]
    """How many labelled takes they were made of."""
    evidence: Mapped[dict[str, Any]] = mapped_column(Versioned(dict[str, Any]))
    """Per dimension, how sure each threshold is (:class:`brief.thresholds.Evidence`)."""
    made_at: Mapped[datetime]


class PublicationRow(Base):
    __tablename__ = "publication"

    shot_key: Mapped[str] = mapped_column(ForeignKey("shot.key"), primary_key=True)
    take_key: Mapped[str] = mapped_column(ForeignKey("take.key"))
    master_key: Mapped[str]
    master_sha256: Mapped[str] = mapped_column(String(64))
    manifest_key: Mapped[str]
    manifest_sha256: Mapped[str] = mapped_column(String(64))
    renditions: Mapped[dict[str, ImageRef]] = mapped_column(Versioned(dict[str, ImageRef]))
    alt_text: Mapped[str] = mapped_column(server_default="")
    wanted: Mapped[str | None] = mapped_column(String(32))
    """Digest of the renditions and words that it was brought to last; ``NULL`` where nobody noted it, as before
    migration 0011."""
    dag_id: Mapped[str]
    """With ``run_id``: the run that published it. Empty before migration 0003."""
    run_id: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(index=True)
    updated_at: Mapped[datetime]


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
    asked: Mapped[dict[str, Any]] = mapped_column(Versioned(dict[str, Any]))
    """The run's params and its data interval."""
    found: Mapped[dict[str, Any]] = mapped_column(Versioned(dict[str, Any]))
    """What planning said: counts by campaign, problems by campaign."""
    priority: Mapped[int] = mapped_column(server_default="0")
    """A run leaves a shot to another that has it and is as urgent or more."""
    cancelled: Mapped[bool] = mapped_column(server_default=false())
    """It was ended in Airflow before its summary: what it left is made on request only."""
    started_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]


class RunShotRow(Base):
    """A shot that a run claimed; several runs may share one."""

    __tablename__ = "run_shot"

    dag_id: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(primary_key=True)
    shot_key: Mapped[str] = mapped_column(ForeignKey("shot.key"), primary_key=True, index=True)
    shared: Mapped[bool] = mapped_column(server_default=false())
    """Another run, which had it before, makes it."""
    shard: Mapped[int | None]
    """The shard in which the run makes it; ``None`` where another run does, or where it needed nothing any more."""


class EventRow(Base):
    """What happened, to be told to a webhook once."""

    __tablename__ = "event"

    id: Mapped[int] = mapped_column(primary_key=True)
    delivery: Mapped[str] = mapped_column(String(32), unique=True)
    """Digest of kind and body: the same event noted again is the same."""
    kind: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime]
    body: Mapped[dict[str, Any]] = mapped_column(Versioned(dict[str, Any]))
    delivered_at: Mapped[datetime | None] = mapped_column(index=True)


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
    details: Mapped[dict[str, Any]] = mapped_column(Versioned(dict[str, Any]))
