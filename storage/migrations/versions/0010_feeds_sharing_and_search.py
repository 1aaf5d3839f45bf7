"""Thresholds calibrated from decisions; feeds and doubtful packshots; runs that share shots; alt texts; events to be
told to a webhook; what keeps the gallery and the reviews fast with many rows.

One step from 0003: 0004 to 0009 were never released.

Revision: 0010
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0003"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
NO_LIST = sa.text("""'{"version": 1, "value": []}'::jsonb""")
COLUMNS: tuple[tuple[str, sa.Column[Any]], ...] = (
    ("product", sa.Column("views", JSONB(), nullable=False, server_default=NO_LIST)),
    ("product", sa.Column("doubts", JSONB())),
    ("product", sa.Column("approved_sha256", sa.String(64))),
    ("product", sa.Column("left_feed", sa.Boolean(), nullable=False, server_default=sa.false())),
    ("shot", sa.Column("own_alt_text", sa.Text())),
    ("publication", sa.Column("alt_text", sa.Text(), nullable=False, server_default="")),
    ("run", sa.Column("priority", sa.Integer(), nullable=False, server_default="0")),
    ("run", sa.Column("cancelled", sa.Boolean(), nullable=False, server_default=sa.false())),
    ("run_shot", sa.Column("shared", sa.Boolean(), nullable=False, server_default=sa.false())),
    ("take", sa.Column("mean_score", sa.Float(), nullable=False, server_default="0")),
)
_FILL_MEAN_SCORE = """
UPDATE take SET mean_score = scores.mean
FROM (
    SELECT key, (SELECT avg(value::float) FROM jsonb_each_text(
            coalesce(scorecard #> '{value,measured,values}', scorecard #> '{value,values}')
        )) AS mean
    FROM take WHERE scorecard IS NOT NULL
) AS scores
WHERE scores.key = take.key AND scores.mean IS NOT NULL
"""
_SENTENCES_AGAIN = """
UPDATE take SET scorecard = jsonb_build_object('version', 1, 'value', jsonb_build_object(
    'values', scorecard #> '{value,measured,values}',
    'unavailable', scorecard #> '{value,measured,unavailable}',
    'verdict', scorecard #> '{value,verdict}',
    'low', '[]'::jsonb,
    'reasons', (
        SELECT coalesce(jsonb_agg(trim(concat_ws(' ', f ->> 'dimension', f ->> 'reason', f ->> 'why'))), '[]'::jsonb)
        FROM jsonb_array_elements(scorecard #> '{value,findings}') f
    )
))
WHERE (scorecard ->> 'version')::int = 2
"""
"""Scorecards as the version before reads them."""


def upgrade() -> None:
    for table, column in COLUMNS:
        op.add_column(table, column)
    op.execute(_FILL_MEAN_SCORE)
    _create_calibration()
    _create_event()
    op.create_index("ix_product_updated_at", "product", ["updated_at"])
    op.create_index("ix_shot_state_updated_at_key", "shot", ["state", "updated_at", "key"])
    op.create_index("ix_shot_sku_key", "shot", ["sku", "key"])
    op.drop_index("ix_shot_sku", "shot")
    op.create_index("ix_take_mean_score", "take", ["mean_score"])
    op.create_index("ix_review_waiting", "review", ["id"], postgresql_where=sa.text("decision IS NULL"))
    op.create_index("ix_review_decided_at", "review", ["decided_at"])


def downgrade() -> None:
    op.drop_index("ix_review_decided_at", "review")
    op.drop_index("ix_review_waiting", "review")
    op.create_index("ix_shot_sku", "shot", ["sku"])
    op.drop_index("ix_shot_sku_key", "shot")
    op.drop_index("ix_shot_state_updated_at_key", "shot")
    op.drop_index("ix_product_updated_at", "product")
    op.drop_table("event")
    op.drop_table("calibration")
    op.execute(_SENTENCES_AGAIN)
    for table, column in reversed(COLUMNS):
        op.drop_column(table, column.name)


def _create_calibration() -> None:
    op.create_table(
        "calibration",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("bundle", sa.String(32), nullable=False),
        sa.Column("scorers", sa.String(32), nullable=False),
        sa.Column("thresholds", JSONB(), nullable=False),
        sa.Column("takes", sa.Integer(), nullable=False),
        sa.Column("evidence", JSONB(), nullable=False),
        sa.Column("made_at", TIME, nullable=False),
    )
    op.create_index("ix_calibration_bundle", "calibration", ["bundle"])


def _create_event() -> None:
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
