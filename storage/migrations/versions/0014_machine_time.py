"""Reports and the overview of campaigns over 100,000 shots: a shot knows its machine time, and what is counted is read
from indexes alone.

Revision: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("shot", sa.Column("seconds", sa.Float(), nullable=False, server_default="0"))
    op.execute(
        """UPDATE shot SET seconds = spent.seconds
        FROM (SELECT shot_key, sum(seconds) AS seconds FROM take_output JOIN take ON key = take_key
              GROUP BY shot_key) spent
        WHERE shot.key = spent.shot_key AND spent.seconds IS NOT NULL"""
    )
    op.drop_index("ix_shot_campaign_state", "shot")
    op.create_index("ix_shot_campaign_state", "shot", ["campaign", "state"], postgresql_include=["seconds"])
    op.create_index(
        "ix_shot_counted",
        "shot",
        ["key"],
        postgresql_include=["campaign", "state", "environment", "persona", "framing"],
    )
    op.create_index(
        "ix_take_output_created_at", "take_output", ["created_at"], postgresql_include=["take_key", "stage", "seconds"]
    )


def downgrade() -> None:
    op.drop_index("ix_take_output_created_at", "take_output")
    op.drop_index("ix_shot_counted", "shot")
    op.drop_index("ix_shot_campaign_state", "shot")
    op.create_index("ix_shot_campaign_state", "shot", ["campaign", "state"])
    op.drop_column("shot", "seconds")
