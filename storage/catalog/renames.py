"""Shots that would be made again only because something got another name."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from brief.types import Shot
from storage.catalog.tables import PublicationRow, ShotRow
from storage.catalog.upsert import in_parts

_PACKSHOT = func.jsonb_extract_path_text(ShotRow.__table__.c.spec, "value", "product", "packshot", "sha256")


def renamed(session: Session, shots: Iterable[Shot]) -> dict[str, str]:
    """Of these shots, by key, those of which a published one differs by names (and so by its seed) alone, and which
    names these are ("SKU 'MUG-1' was 'MUG', campaign 'spring' was 'autumn'")."""
    wanted = {shot.key: shot for shot in shots}
    by_content: dict[tuple[object, ...], Shot] = {}
    for part in in_parts({shot.product.packshot.sha256 for shot in wanted.values()}):
        query = select(ShotRow.spec).join(PublicationRow, PublicationRow.shot_key == ShotRow.key)
        for other in session.scalars(query.where(_PACKSHOT.in_(part), ShotRow.key.not_in(wanted))):
            by_content[_content(other)] = other
    found = {key: by_content.get(_content(shot)) for key, shot in wanted.items()}
    return {key: said for key, other in found.items() if other and (said := _other_names(wanted[key], other))}


def _content(shot: Shot) -> tuple[object, ...]:
    """All that decides a picture but its seed."""
    return (
        shot.product.packshot.sha256, shot.environment.photo.sha256, shot.portrait_key, shot.framing, shot.variant,
        shot.prompt, shot.negative, shot.width, shot.height, shot.recipe,
    )  # fmt: skip


def _other_names(now: Shot, then: Shot) -> str:
    pairs = {
        "SKU": (now.product.sku, then.product.sku),
        "environment": (now.environment.name, then.environment.name),
        "persona": (now.persona.name if now.persona else "", then.persona.name if then.persona else ""),
        "campaign": (now.campaign, then.campaign),
    }
    return ", ".join(f"{what} {new!r} was {old!r}" for what, (new, old) in pairs.items() if new != old)
