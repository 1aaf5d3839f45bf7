"""A run's sign-off: what it found good waits until a person agrees to all of it, or leaves it to single reviews.

What waits is ordinary reviews, so that people may answer some of them before, and nothing is lost if nobody does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.run import Run
from pipeline.settle import SIGN_OFF, publish_approved
from storage.catalog import decisions, runs
from storage.catalog.errors import AlreadyDecided
from storage.catalog.records import ReviewRecord
from storage.catalog.reviews import waiting_of
from storage.catalog.tables import Decision

PICTURES = 24
"""Thumbnails that a question shows."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked: ``body`` is Markdown."""

    subject: str
    body: str


def held(run: Run) -> list[ReviewRecord]:
    """Open reviews of the run's shots that only wait for its sign-off."""
    with run.catalog.begin() as session:
        waiting = waiting_of(session, runs.run_shots(session, run.id))
    return [review for review in waiting if review.reasons == (SIGN_OFF,)]


def question(run: Run) -> Question | None:
    """What to ask about the run; ``None`` where nothing is held."""
    reviews = held(run)
    if not reviews:
        return None
    campaigns = ", ".join(sorted({review.shot.campaign for review in reviews}))
    lines = [f"{len(reviews)} pictures of {campaigns} are good by their scores. Publish them?", ""]
    lines += [_thumbnail(review) for review in reviews[:PICTURES]]
    if len(reviews) > PICTURES:
        lines += ["", f"and {len(reviews) - PICTURES} more: tab *Images* of the run"]
    return Question(f"Publish {len(reviews)} pictures of {campaigns}?", "\n".join(lines))


def _thumbnail(review: ReviewRecord) -> str:
    shot, picture = review.shot, review.take.refined
    words = f"{shot.product.sku} in {shot.environment.name}".translate(str.maketrans("[]()", "    "))
    return f"![{words}](/gallery/image/{picture.key}?width=160)" if picture else f"- {words}"


def agree(run: Run, who: str) -> dict[str, int]:
    """Approve all that is held, in a person's name, and publish it; returns the number per outcome.

    Raises:
        ObjectError, CatalogError: the bucket or the database refuses or does not answer; agree again.
    """
    _approve(run, held(run), who)
    return publish_approved(run)


def _approve(run: Run, reviews: Sequence[ReviewRecord], who: str) -> None:
    for review in reviews:
        try:
            with run.catalog.begin() as session:
                decisions.decide(session, review.id, Decision.APPROVE, who, f"sign-off of run {run.id}")
        except AlreadyDecided:
            continue  # somebody answered it by itself meanwhile, and that counts
