"""Publications note what they were brought to, so that the nightly look need not open them.

Revision: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("publication", sa.Column("wanted", sa.String(32)))


def downgrade() -> None:
    op.drop_column("publication", "wanted")
