"""Runs remember which shot is in which shard.

Revision: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("run_shot", sa.Column("shard", sa.Integer()))


def downgrade() -> None:
    op.drop_column("run_shot", "shard")
