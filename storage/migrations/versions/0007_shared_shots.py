"""Runs share shots: which run makes one that several want, how urgent a run is, and whether it was cancelled; and
what happened, to be told to a webhook.

Revision: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("run", sa.Column("priority", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("run", sa.Column("cancelled", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("run_shot", sa.Column("shared", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("delivery", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("body", JSONB(), nullable=False),
        sa.Column("delivered_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        sa.UniqueConstraint("delivery", name="uq_event_delivery"),
    )
    op.create_index("ix_event_delivered_at", "event", ["delivered_at"])
    op.create_index("ix_product_updated_at", "product", ["updated_at"])


def downgrade() -> None:
    op.drop_index("ix_product_updated_at", "product")
    op.drop_table("event")
    op.drop_column("run_shot", "shared")
    op.drop_column("run", "cancelled")
    op.drop_column("run", "priority")
