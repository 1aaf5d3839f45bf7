"""The gallery and the reviews stay fast with many rows: a take's mean score to order by, and indexes for each order.

Revision: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_FILL = """
UPDATE take SET mean_score = scores.mean
FROM (
    SELECT key, (SELECT avg(value::float) FROM jsonb_each_text(
            coalesce(scorecard #> '{value,measured,values}', scorecard #> '{value,values}')
        )) AS mean
    FROM take WHERE scorecard IS NOT NULL
) AS scores
WHERE scores.key = take.key AND scores.mean IS NOT NULL
"""


def upgrade() -> None:
    op.add_column("take", sa.Column("mean_score", sa.Float()))
    op.execute(_FILL)
    op.create_index("ix_shot_state_updated_at_key", "shot", ["state", "updated_at", "key"])
    op.create_index("ix_shot_sku_key", "shot", ["sku", "key"])
    op.drop_index("ix_shot_sku", "shot")
    op.create_index("ix_review_waiting", "review", ["id"], postgresql_where=sa.text("decision IS NULL"))
    op.create_index("ix_review_decided_at", "review", ["decided_at"])


def downgrade() -> None:
    op.drop_index("ix_review_decided_at", "review")
    op.drop_index("ix_review_waiting", "review")
    op.create_index("ix_shot_sku", "shot", ["sku"])
    op.drop_index("ix_shot_sku_key", "shot")
    op.drop_index("ix_shot_state_updated_at_key", "shot")
    op.drop_column("take", "mean_score")
