"""Every take has a mean score, by which the reviews that wait are ordered with an index.

Revision: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE take SET mean_score = 0 WHERE mean_score IS NULL")
    op.alter_column("take", "mean_score", existing_type=sa.Float(), nullable=False, server_default="0")
    op.create_index("ix_take_mean_score", "take", ["mean_score"])


def downgrade() -> None:
    op.drop_index("ix_take_mean_score", "take")
    op.alter_column("take", "mean_score", existing_type=sa.Float(), nullable=True, server_default=None)
