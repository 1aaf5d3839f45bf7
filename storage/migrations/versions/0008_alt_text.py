"""Alt texts: of publications, and those that people wrote for shots.

Revision: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("publication", sa.Column("alt_text", sa.Text(), nullable=False, server_default=""))
    op.add_column("shot", sa.Column("own_alt_text", sa.Text()))


def downgrade() -> None:
    op.drop_column("shot", "own_alt_text")
    op.drop_column("publication", "alt_text")
