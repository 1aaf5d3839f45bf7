"""Thresholds that were calibrated from decisions.

Revision: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "calibration",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("bundle", sa.String(32), nullable=False),
        sa.Column("scorers", sa.String(32), nullable=False),
        sa.Column("thresholds", JSONB(), nullable=False),
        sa.Column("takes", sa.Integer(), nullable=False),
        sa.Column("evidence", JSONB(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_calibration_bundle", "calibration", ["bundle"])


def downgrade() -> None:
    op.drop_table("calibration")
    # Scorecards as the version before reads them: findings become sentences again.
    op.execute(
        "UPDATE take SET scorecard = jsonb_build_object('version', 1, 'value', jsonb_build_object("
        "'values', scorecard #> '{value,measured,values}', 'unavailable', scorecard #> '{value,measured,unavailable}', "
        "'verdict', scorecard #> '{value,verdict}', 'low', '[]'::jsonb, 'reasons', "
        "(SELECT coalesce(jsonb_agg(trim(concat_ws(' ', f ->> 'dimension', f ->> 'reason', f ->> 'why'))), "
        "'[]'::jsonb) "
        "FROM jsonb_array_elements(scorecard #> '{value,findings}') f))) "
        "WHERE (scorecard ->> 'version')::int = 2"
    )
