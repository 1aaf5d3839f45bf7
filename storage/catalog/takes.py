"""Takes in the catalog: what each attempt left in the bucket, how it scored, and what was published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, desc, exists, func, select, type_coerce, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Session

from brief.types import BundleInfo, ImageRef, Publication, Scorecard, Shot, Take, Threshold
from storage.catalog import audit
from storage.catalog.database import Database, in_parts, upsert
from storage.catalog.errors import AnswerTakenBack, RowMissing
from storage.catalog.records import Measured, StageOutput, TakeRecord
from storage.catalog.runs import RunKey
from storage.catalog.shots import set_state, withdraw_questions
from storage.catalog.tables import (
    CalibrationRow,
    Decision,
    PublicationRow,
    ReviewRow,
    ShotRow,
    ShotState,
    TakeOutputRow,
    TakeRow,
)

STATE_AFTER = {"compose": ShotState.COMPOSED, "refine": ShotState.REFINED, "score": ShotState.SCORED}
"""Where a shot stands once a stage left its output."""
MADE_AGAIN = "its picture was lost and made again, and is not quite the one that was approved"


@dataclass(frozen=True, slots=True)
class PublishedShot:
    """What is published of a shot; ``live`` unless no plan wants it any more."""

    shot: Shot
    publication: Publication
    live: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class BroughtTo:
    """Of a publication, without opening it: what a person wrote of it and approved about it, and the digest of what it
    was brought to last."""

    shot_key: str
    campaign: str
    own_words: str
    approved: tuple[str, ...]
    wanted: str | None


class Takes(Database):
    """Attempts at shots and what became of them."""

    def takes(self, shot_keys: Sequence[str]) -> dict[str, list[TakeRecord]]:
        """All takes of these shots, each shot's by number; a shot without takes has an empty list."""
        by_shot: dict[str, list[TakeRecord]] = {key: [] for key in shot_keys}
        with self.begin() as session:
            for part in in_parts(shot_keys):
                query = select(TakeRow).where(TakeRow.shot_key.in_(part)).order_by(TakeRow.number, TakeRow.key)
                for row in session.scalars(query):
                    by_shot[row.shot_key].append(take_of(row))
        return by_shot

    def record_output(self, take: Take, stage: str, output: StageOutput) -> None:
        """A take was composed or refined (``stage``) and left an image in the bucket. A refined picture that was
        approved, and is not the same now that it was made again, goes before a person again.

        Raises:
            RowMissing: the catalog does not have the shot.
        """
        with self.begin() as session:
            _lock(session, take)
            _record_output(session, take.key, stage, output)
            if stage == "refine":
                _ask_again_about_another_picture(session, take.key, output.ref.sha256)
            set_state(session, [take.shot_key], STATE_AFTER[stage])

    def record_scorecard(self, take_key: str, scorecard: Scorecard, output: StageOutput | None = None) -> None:
        """A take was measured and judged; ``output`` is the object that holds what was measured.

        Raises:
            RowMissing: the catalog does not have the take.
        """
        with self.begin() as session:
            row = session.get(TakeRow, take_key, with_for_update=True)
            if row is None:
                raise RowMissing(
                    f"take {take_key!r} is not in the catalog, so its scorecard cannot be kept; compose it first"
                )
            row.scorecard, row.verdict = scorecard, scorecard.verdict
            row.mean_score = sum(scorecard.values.values()) / (len(scorecard.values) or 1)
            if session.is_modified(row):
                row.updated_at = datetime.now(UTC)
            if output is not None:
                _record_output(session, take_key, "score", output)
            set_state(session, [row.shot_key], ShotState.SCORED)

    def scored_undecided(self, campaigns: Sequence[str] | None = None) -> list[str]:
        """Keys of shots whose fate the scores decide: scored, not published, no take of them answered by a person."""
        answered = exists().where(ReviewRow.shot_key == ShotRow.key, ReviewRow.decision.is_not(None))
        judged = exists().where(TakeRow.shot_key == ShotRow.key, TakeRow.verdict.is_not(None))
        states = (ShotState.SCORED, ShotState.REVIEW, ShotState.REJECTED)
        query = select(ShotRow.key).where(ShotRow.state.in_(states), judged, ~answered)
        if campaigns is not None:
            query = query.where(ShotRow.campaign.in_(campaigns))
        with self.begin() as session:
            return list(session.scalars(query.order_by(ShotRow.key)))

    def record_calibration(
        self, bundle: BundleInfo, thresholds: Mapping[str, Threshold], takes: int, evidence: Mapping[str, Any]
    ) -> int:
        """Thresholds that hold for this bundle and its scorers from now on; returns their version."""
        row = CalibrationRow(
            bundle=bundle.fingerprint,
            scorers=bundle.scorers,
            thresholds=dict(thresholds),
            takes=takes,
            evidence=dict(evidence),
            made_at=datetime.now(UTC),
        )
        with self.begin() as session:
            session.add(row)
            session.flush()
            return row.id

    def calibrated(self, bundle: BundleInfo) -> BundleInfo:
        """``bundle`` with the thresholds that were calibrated here, where there are any: dimensions that they do not
        name keep the bundle's own."""
        query = (
            select(CalibrationRow)
            .where(CalibrationRow.bundle == bundle.fingerprint, CalibrationRow.scorers == bundle.scorers)
            .order_by(CalibrationRow.id.desc())
            .limit(1)
        )
        with self.begin() as session:
            row = session.scalar(query)
            if row is None:
                return bundle
            return replace(bundle, thresholds={**bundle.thresholds, **row.thresholds}, calibrated=row.takes)

    def record_loss(self, shot_key: str, reason: str) -> None:
        """A picture of a shot's takes is missing or damaged, so the next run makes it again. An answer that a person
        gave stays; what is published or superseded is left alone."""
        with self.begin() as session:
            set_state(session, [shot_key], ShotState.PLANNED, reason)

    def superseded_with_pictures(self, before: datetime) -> list[str]:
        """Keys of shots that were superseded before a moment and still have pictures of takes."""
        query = (
            select(ShotRow.key)
            .where(ShotRow.state == ShotState.SUPERSEDED, ShotRow.updated_at < before, _has_picture())
            .order_by(ShotRow.key)
        )
        with self.begin() as session:
            return list(session.scalars(query))

    def forget_pictures(self, shot_key: str) -> None:
        """The pictures of a shot's takes were deleted."""
        takes = select(TakeRow.key).where(TakeRow.shot_key == shot_key)
        with self.begin() as session:
            session.execute(delete(TakeOutputRow).where(TakeOutputRow.take_key.in_(takes)))

    def measured(self, fingerprint: str, shots: int = 500) -> Measured:
        """What shots cost under a bundle of this fingerprint, from the latest that were scored."""
        latest = (
            select(TakeRow.shot_key, func.max(TakeRow.updated_at).label("at"))
            .join(TakeOutputRow, TakeOutputRow.take_key == TakeRow.key)
            .where(
                TakeRow.verdict.is_not(None),
                type_coerce(TakeOutputRow.made_by, JSONB)["value"]["bundle"]["fingerprint"].as_string() == fingerprint,
            )
            .group_by(TakeRow.shot_key)
            .order_by(desc("at"))
            .limit(shots)
            .subquery()
        )
        query = (
            select(
                func.count(TakeRow.shot_key.distinct()),
                func.count(TakeRow.key.distinct()),
                func.sum(TakeOutputRow.seconds),
            )
            .join(TakeOutputRow, TakeOutputRow.take_key == TakeRow.key)
            .join(latest, latest.c.shot_key == TakeRow.shot_key)
        )
        with self.begin() as session:
            number, takes, seconds = session.execute(query).one()
        return Measured(number, takes, seconds or 0.0)

    def publications(
        self, after: str = "", limit: int = 200, *, campaigns: Sequence[str] | None = None
    ) -> list[tuple[Shot, TakeRecord, Publication]]:
        """A page of what is published and wanted (``None``: of all campaigns), by the shots' keys; ``after`` is the
        last key of the page before."""
        query = _published().where(ShotRow.key > after).order_by(ShotRow.key).limit(limit)
        if campaigns is not None:
            query = query.where(ShotRow.campaign.in_(campaigns))
        with self.begin() as session:
            return [(shot, take_of(take), publication_of(row)) for shot, take, row in session.execute(query)]

    def publications_of(self, shot_keys: Sequence[str]) -> list[tuple[Shot, TakeRecord, Publication]]:
        """As :meth:`publications`, of these shots."""
        query = _published().where(ShotRow.key.in_(shot_keys)).order_by(ShotRow.key)
        with self.begin() as session:
            return [(shot, take_of(take), publication_of(row)) for shot, take, row in session.execute(query)]

    def brought_to(self, campaigns: Sequence[str], part: int = 2000) -> Iterator[list[BroughtTo]]:
        """What the publications of these campaigns were brought to, in parts; of shots that are wanted."""
        query = (
            select(ShotRow.key, ShotRow.campaign, ShotRow.own_alt_text, ReviewRow.reasons, PublicationRow.wanted)
            .join(PublicationRow, PublicationRow.shot_key == ShotRow.key)
            .outerjoin(
                ReviewRow,
                and_(ReviewRow.take_key == PublicationRow.take_key, ReviewRow.decision == Decision.APPROVE),
            )
            .where(ShotRow.state == ShotState.PUBLISHED, ShotRow.campaign.in_(campaigns))
            .order_by(ShotRow.key)
            .limit(part)
        )
        after = ""
        while True:
            with self.begin() as session:
                rows = session.execute(query.where(ShotRow.key > after)).all()
            if not rows:
                return
            yield [BroughtTo(key, name, own or "", reasons or (), wanted) for key, name, own, reasons, wanted in rows]
            after = rows[-1][0]

    def published_shots(self, campaign: str) -> Iterator[PublishedShot]:
        """All that is published of a campaign, by SKU; read in parts."""
        query = (
            select(ShotRow.spec, ShotRow.state, PublicationRow)
            .join(PublicationRow, PublicationRow.shot_key == ShotRow.key)
            .where(ShotRow.campaign == campaign)
            .order_by(ShotRow.sku, ShotRow.key)
            .execution_options(yield_per=500)
        )
        with self.begin() as session:
            for shot, state, row in session.execute(query):
                yield PublishedShot(shot, publication_of(row), state is not ShotState.SUPERSEDED, row.created_at)

    def describe(self, shot_key: str, text: str, who: str) -> None:
        """A person writes what a shot's picture shows, which no template overwrites; empty takes it back.

        Raises:
            RowMissing: there is no such shot.
        """
        with self.begin() as session:
            row = session.get(ShotRow, shot_key, with_for_update=True)
            if row is None:
                raise RowMissing(f"shot {shot_key!r} is not in the catalog")
            row.own_alt_text = text.strip() or None
            audit.note(session, who, "alt-text", shot=row, why=text.strip())

    def own_words(self, shot_keys: Sequence[str]) -> dict[str, str]:
        """What people wrote of these shots' pictures, where anybody did."""
        found: dict[str, str] = {}
        with self.begin() as session:
            for part in in_parts(shot_keys):
                query = select(ShotRow.key, ShotRow.own_alt_text).where(ShotRow.key.in_(part))
                found |= {key: text for key, text in session.execute(query) if text}
        return found

    def forget_publication(self, shot_key: str, reason: str) -> None:
        """What was published of a shot is lost and cannot be restored: the next run makes it again."""
        with self.begin() as session:
            session.execute(delete(PublicationRow).where(PublicationRow.shot_key == shot_key))
            set_state(session, [shot_key], ShotState.PLANNED, reason, unless=(ShotState.SUPERSEDED,))

    def record_publication(
        self,
        publication: Publication,
        run: RunKey,
        take: Take | None = None,
        *,
        approved: bool = False,
        wanted: str | None = None,
        asks: Sequence[str] | None = (),
    ) -> None:
        """A shot was published: its publication and its state in one step.

        Args:
            take: what it was made from, for a catalog that does not have it: one set up again over an older bucket.
            approved: because a person approved the take, who may have taken that back meanwhile.
            wanted: digest of the renditions and words that it was brought to.
            asks: what a person is to be asked about renditions of it that were not made; it is published all the same.
                ``None`` leaves what was asked before as it is.

        Raises:
            AnswerTakenBack: the approval does not stand any more; nothing was recorded.
        """
        values = {**_publication_values(publication), "wanted": wanted, "dag_id": run.dag_id, "run_id": run.run_id}
        with self.begin() as session:
            if take is not None:
                _lock(session, take)
            if approved:
                _check_approved(session, publication)
            upsert(session, PublicationRow, [values], keep=("dag_id", "run_id"))
            if asks is not None:
                withdraw_questions(session, publication.shot_key)
            if asks:
                _ask_about_renditions(session, publication, asks)
            set_state(session, [publication.shot_key], ShotState.PUBLISHED, unless=(ShotState.SUPERSEDED,))


def _publication_values(publication: Publication) -> dict[str, Any]:
    return {
        "shot_key": publication.shot_key,
        "take_key": publication.take_key,
        "master_key": publication.master.key,
        "master_sha256": publication.master.sha256,
        "manifest_key": publication.manifest.key,
        "manifest_sha256": publication.manifest.sha256,
        "renditions": dict(publication.renditions),
        "alt_text": publication.alt_text,
    }


def take_of(row: TakeRow) -> TakeRecord:
    return TakeRecord(
        take=Take(row.key, row.shot_key, row.number, row.seed, row.changes, row.words),
        outputs={
            each.stage: StageOutput(ImageRef(each.object_key, each.sha256), each.seconds, each.made_by)
            for each in sorted(row.outputs, key=lambda each: list(STATE_AFTER).index(each.stage))
        },
        scorecard=row.scorecard,
        decision=row.review.decision if row.review else None,
        approved=row.review.reasons if row.review and row.review.decision is Decision.APPROVE else (),
    )


def publication_of(row: PublicationRow) -> Publication:
    return Publication(
        shot_key=row.shot_key,
        take_key=row.take_key,
        master=ImageRef(row.master_key, row.master_sha256),
        renditions=row.renditions,
        manifest=ImageRef(row.manifest_key, row.manifest_sha256),
        alt_text=row.alt_text,
    )


def _published() -> Select[Shot, TakeRow, PublicationRow]:
    return (
        select(ShotRow.spec, TakeRow, PublicationRow)
        .join(PublicationRow, PublicationRow.shot_key == ShotRow.key)
        .join(TakeRow, TakeRow.key == PublicationRow.take_key)
        .where(ShotRow.state == ShotState.PUBLISHED)
    )


def _ask_about_renditions(session: Session, publication: Publication, reasons: Sequence[str]) -> None:
    """A take has one review: what was answered before was about something else, and stays in the audit log."""
    query = select(TakeOutputRow.sha256)
    query = query.where(TakeOutputRow.take_key == publication.take_key, TakeOutputRow.stage == "refine")
    asked = {"reasons": tuple(reasons), "opened_at": datetime.now(UTC), "picture_sha256": session.scalar(query) or None}
    unanswered = {"decision": None, "decided_by": None, "decided_at": None, "note": None}
    values = {"shot_key": publication.shot_key, "take_key": publication.take_key, **asked}
    statement = insert(ReviewRow).values(values)
    session.execute(statement.on_conflict_do_update(index_elements=["take_key"], set_={**asked, **unanswered}))


def _lock(session: Session, take: Take) -> None:
    """Make the take's row if it is not there, and hold it until the transaction ends."""
    if session.get(ShotRow, take.shot_key) is None:
        raise RowMissing(f"shot {take.shot_key!r} is not in the catalog, so its take cannot be kept; record its plan")
    now = datetime.now(UTC)
    values = {
        "key": take.key,
        "shot_key": take.shot_key,
        "number": take.number,
        "seed": take.seed,
        "changes": dict(take.changes),
        "words": take.words,
        "created_at": now,
        "updated_at": now,
    }
    session.execute(insert(TakeRow).values(values).on_conflict_do_nothing())
    session.execute(select(TakeRow.key).where(TakeRow.key == take.key).with_for_update())


def _check_approved(session: Session, publication: Publication) -> None:
    """Taking an answer back holds the shot's row as well: one comes after the other."""
    session.get(ShotRow, publication.shot_key, with_for_update=True)
    query = select(ReviewRow.decision).where(ReviewRow.take_key == publication.take_key)
    if session.scalar(query) is not Decision.APPROVE:
        raise AnswerTakenBack(f"the approval of a take of shot {publication.shot_key} was taken back meanwhile")


def _record_output(session: Session, take_key: str, stage: str, output: StageOutput) -> None:
    """Write an output of a take that is locked."""
    now = datetime.now(UTC)
    row = session.get(TakeOutputRow, (take_key, stage))
    if row is None:
        row = TakeOutputRow(take_key=take_key, stage=stage, created_at=now, updated_at=now)
        session.add(row)
    row.object_key, row.sha256 = output.ref.key, output.ref.sha256
    if output.seconds is not None:
        _spend(session, take_key, output.seconds - (row.seconds or 0.0))
        row.seconds = output.seconds
    if output.made_by is not None:
        row.made_by = output.made_by
    if session.is_modified(row):
        row.updated_at = now


def _spend(session: Session, take_key: str, seconds: float) -> None:
    of_take = select(TakeRow.shot_key).where(TakeRow.key == take_key).scalar_subquery()
    spent = {"seconds": ShotRow.seconds + seconds}
    session.execute(update(ShotRow).where(ShotRow.key == of_take).values(spent))


def _ask_again_about_another_picture(session: Session, take_key: str, sha256: str) -> None:
    """An approval holds for the picture that was seen: where it was lost and did not come back as it was, a person is
    asked again."""
    statement = update(ReviewRow).where(
        ReviewRow.take_key == take_key,
        ReviewRow.decision == Decision.APPROVE,
        ReviewRow.picture_sha256.is_not(None),
        ReviewRow.picture_sha256 != sha256,
    )
    answer = {"decision": None, "decided_by": None, "decided_at": None}
    session.execute(statement.values(**answer, picture_sha256=sha256, reasons=(MADE_AGAIN,)))


def _has_picture() -> ColumnElement[bool]:
    return exists().where(
        TakeRow.shot_key == ShotRow.key,
        TakeOutputRow.take_key == TakeRow.key,
        TakeOutputRow.stage.in_(("compose", "refine")),
    )
