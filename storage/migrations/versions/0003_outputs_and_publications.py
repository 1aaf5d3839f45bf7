"""Stage outputs and portraits as rows with who made them, publications, runs by their DAG, versions in JSON.

Revision: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
KEY = sa.String(32)
SHA256 = sa.String(64)
JSON_COLUMNS = {
    "product": ("attributes",),
    "persona": ("face",),
    "campaign": ("brief",),
    "shot": ("spec",),
    "take": ("changes", "scorecard"),
    "publication": ("renditions",),
    "review": ("reasons",),
    "run": ("asked", "found"),
    "audit": ("details",),
}


def upgrade() -> None:
    _rename_publication("asset", "publication")
    for table in ("shot", "publication"):
        op.add_column(table, sa.Column("dag_id", sa.Text(), nullable=False, server_default=""))
        op.alter_column(table, "dag_id", server_default=None)
    op.add_column("review", sa.Column("picture_sha256", SHA256))
    op.execute(
        "UPDATE review SET picture_sha256 = take.refined_sha256 FROM take WHERE take.key = review.take_key",
    )
    _create_take_output()
    _create_portrait()
    for column in ("composed_key", "composed_sha256", "refined_key", "refined_sha256", "seconds"):
        op.drop_column("take", column)
    for table, columns in JSON_COLUMNS.items():
        for column in columns:
            op.execute(
                f"UPDATE {table} SET {column} = jsonb_build_object('version', 1, 'value', {column}) "
                f"WHERE {column} IS NOT NULL"
            )


def downgrade() -> None:
    for table, columns in JSON_COLUMNS.items():
        for column in columns:
            op.execute(f"UPDATE {table} SET {column} = {column} -> 'value' WHERE {column} IS NOT NULL")
    for stage in ("composed", "refined"):
        op.add_column("take", sa.Column(f"{stage}_key", sa.Text()))
        op.add_column("take", sa.Column(f"{stage}_sha256", SHA256))
        op.execute(
            f"UPDATE take SET {stage}_key = o.object_key, {stage}_sha256 = o.sha256 FROM take_output o "
            f"WHERE o.take_key = take.key AND o.stage = '{'compose' if stage == 'composed' else 'refine'}'"
        )
    op.add_column("take", sa.Column("seconds", JSONB(), server_default="{}", nullable=False))
    op.alter_column("take", "seconds", server_default=None)
    op.execute(
        "UPDATE take SET seconds = o.seconds FROM (SELECT take_key, jsonb_object_agg(stage, seconds) AS seconds "
        "FROM take_output WHERE seconds IS NOT NULL GROUP BY take_key) o WHERE o.take_key = take.key"
    )
    op.drop_table("portrait")
    op.drop_table("take_output")
    op.drop_column("review", "picture_sha256")
    for table in ("shot", "publication"):
        op.drop_column(table, "dag_id")
    _rename_publication("publication", "asset")


def _rename_publication(before: str, after: str) -> None:
    op.rename_table(before, after)
    op.execute(f"ALTER INDEX ix_{before}_created_at RENAME TO ix_{after}_created_at")
    for name in ("pk_{}", "fk_{}_shot_key", "fk_{}_take_key"):
        op.execute(f"ALTER TABLE {after} RENAME CONSTRAINT {name.format(before)} TO {name.format(after)}")


def _create_take_output() -> None:
    op.create_table(
        "take_output",
        sa.Column("take_key", KEY, sa.ForeignKey("take.key", name="fk_take_output_take_key"), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        *_output_columns(),
        sa.PrimaryKeyConstraint("take_key", "stage", name="pk_take_output"),
    )
    for stage, column in (("compose", "composed"), ("refine", "refined")):
        op.execute(
            "INSERT INTO take_output (take_key, stage, object_key, sha256, seconds, created_at, updated_at) "
            f"SELECT key, '{stage}', {column}_key, {column}_sha256, (seconds ->> '{stage}')::float, "
            f"created_at, updated_at FROM take WHERE {column}_key IS NOT NULL AND {column}_sha256 IS NOT NULL"
        )
    op.execute(
        "INSERT INTO take_output (take_key, stage, object_key, sha256, seconds, created_at, updated_at) "
        "SELECT key, 'score', 'takes/' || shot_key || '/' || key || '/scorecard.json', '', "
        "(seconds ->> 'score')::float, created_at, updated_at FROM take WHERE scorecard IS NOT NULL"
    )


def _create_portrait() -> None:
    op.create_table(
        "portrait",
        sa.Column("key", KEY, nullable=False),
        sa.Column("persona", sa.Text(), sa.ForeignKey("persona.name", name="fk_portrait_persona"), nullable=False),
        sa.Column("spec", JSONB(), nullable=False),
        *_output_columns(),
        sa.PrimaryKeyConstraint("key", name="pk_portrait"),
    )
    op.create_index("ix_portrait_persona", "portrait", ["persona"])
    # A shot that got as far as a take has its portrait in the bucket.
    op.execute(
        "INSERT INTO portrait (key, persona, spec, object_key, sha256, created_at, updated_at) "
        "SELECT DISTINCT ON (spec ->> 'portrait_key') spec ->> 'portrait_key', persona, "
        "jsonb_build_object('version', 1, 'value', spec -> 'persona'), "
        "'portraits/' || (spec ->> 'portrait_key') || '.png', '', created_at, created_at FROM shot "
        "WHERE persona IS NOT NULL AND spec ->> 'portrait_key' IS NOT NULL "
        "AND jsonb_typeof(spec -> 'persona' -> 'portrait') IS DISTINCT FROM 'object' "
        "AND EXISTS (SELECT FROM take WHERE take.shot_key = shot.key) ORDER BY spec ->> 'portrait_key', created_at"
    )


def _output_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("sha256", SHA256, nullable=False),
        sa.Column("seconds", sa.Float()),
        sa.Column("made_by", JSONB()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
    ]
