"""Products: further views, what is doubtful about a packshot, and the packshot that a person approved.

Revision: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NONE = sa.text("""'{"version": 1, "value": []}'::jsonb""")


def upgrade() -> None:
    op.add_column("product", sa.Column("views", JSONB(), nullable=False, server_default=NONE))
    op.add_column("product", sa.Column("doubts", JSONB()))
    op.add_column("product", sa.Column("approved_sha256", sa.String(64)))


def downgrade() -> None:
    for column in ("approved_sha256", "doubts", "views"):
        op.drop_column("product", column)
