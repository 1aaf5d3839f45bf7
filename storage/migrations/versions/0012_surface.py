"""A place may say where its surface begins on which products stand.

Revision: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("environment", sa.Column("surface", sa.Float()))


def downgrade() -> None:
    op.drop_column("environment", "surface")
