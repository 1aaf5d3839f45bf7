"""Runs and their shots, the audit log, retakes that people ask for, states of campaigns, retired rows.

Revision: 0002
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
TIME = sa.DateTime(timezone=True)
KEY = sa.String(32)
RETIRES = ("product", "environment", "persona")


def upgrade() -> None:
    op.add_column("take", sa.Column("words", sa.Text(), nullable=False, server_default=""))
    op.add_column("campaign", sa.Column("state", sa.String(16), nullable=False, server_default="active"))
    for table in RETIRES:
        op.add_column(table, sa.Column("retired_at", TIME))
    op.create_index("ix_shot_updated_at_key", "shot", ["updated_at", "key"])
    _create_runs()
    _create_people()


def downgrade() -> None:
    for table in ("audit", "run_shot", "run", "retake_request"):
        op.drop_table(table)
    op.drop_index("ix_shot_updated_at_key", "shot")
    for table in RETIRES:
        op.drop_column(table, "retired_at")
    op.drop_column("campaign", "state")
    op.drop_column("take", "words")


def _needed(name: str, kind: sa.types.TypeEngine[Any], *more: sa.ForeignKey) -> sa.Column[Any]:
    return sa.Column(name, kind, *more, nullable=False)


def _create_runs() -> None:
    op.create_table(
        "run",
        _needed("dag_id", sa.Text()),
        _needed("run_id", sa.Text()),
        _needed("asked", JSON),
        _needed("found", JSON),
        _needed("started_at", TIME),
        sa.Column("ended_at", TIME),
        sa.PrimaryKeyConstraint("dag_id", "run_id", name="pk_run"),
    )
    op.create_index("ix_run_started_at", "run", ["started_at"])
    op.create_table(
        "run_shot",
        _needed("dag_id", sa.Text()),
        _needed("run_id", sa.Text()),
        _needed("shot_key", KEY, sa.ForeignKey("shot.key", name="fk_run_shot_shot_key")),
        sa.PrimaryKeyConstraint("dag_id", "run_id", "shot_key", name="pk_run_shot"),
    )
    op.create_index("ix_run_shot_shot_key", "run_shot", ["shot_key"])


def _create_people() -> None:
    op.create_table(
        "retake_request",
        _needed("take_key", KEY, sa.ForeignKey("take.key", name="fk_retake_request_take_key")),
        _needed("shot_key", KEY, sa.ForeignKey("shot.key", name="fk_retake_request_shot_key")),
        _needed("asked_by", sa.Text()),
        _needed("asked_at", TIME),
        _needed("why", sa.Text()),
        sa.PrimaryKeyConstraint("take_key", name="pk_retake_request"),
    )
    op.create_index("ix_retake_request_shot_key", "retake_request", ["shot_key"])
    op.create_table(
        "audit",
        _needed("id", sa.Integer()),
        _needed("at", TIME),
        _needed("who", sa.Text()),
        _needed("action", sa.String(32)),
        sa.Column("shot_key", KEY),
        sa.Column("campaign", sa.Text()),
        sa.Column("sku", sa.Text()),
        _needed("why", sa.Text()),
        _needed("details", JSON),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_at_id", "audit", ["at", "id"])
    op.create_index("ix_audit_shot_key", "audit", ["shot_key"])
