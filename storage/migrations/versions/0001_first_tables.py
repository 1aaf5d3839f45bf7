"""The first tables.

Revision: 0001
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
TIME = sa.DateTime(timezone=True)
KEY = sa.String(32)
SHA256 = sa.String(64)
STATE = sa.String(16)


def upgrade() -> None:
    _create_rows()
    _create_shots()
    _create_outcomes()


def downgrade() -> None:
    for table in ("review", "asset", "take", "shot", "product", "persona", "environment", "campaign"):
        op.drop_table(table)


def _needed(name: str, kind: sa.types.TypeEngine[Any], *more: sa.ForeignKey) -> sa.Column[Any]:
    return sa.Column(name, kind, *more, nullable=False)


def _create_rows() -> None:
    times = ("created_at", "updated_at")
    op.create_table(
        "campaign",
        _needed("name", sa.Text()),
        _needed("title", sa.Text()),
        _needed("brief", JSON),
        *(_needed(name, TIME) for name in times),
        sa.PrimaryKeyConstraint("name", name="pk_campaign"),
    )
    op.create_table(
        "environment",
        _needed("name", sa.Text()),
        _needed("description", sa.Text()),
        _needed("photo_key", sa.Text()),
        _needed("photo_sha256", SHA256),
        *(_needed(name, TIME) for name in times),
        sa.PrimaryKeyConstraint("name", name="pk_environment"),
    )
    op.create_table(
        "persona",
        _needed("name", sa.Text()),
        _needed("face", JSON),
        _needed("seed", sa.BigInteger()),
        sa.Column("portrait_key", sa.Text()),
        sa.Column("portrait_sha256", SHA256),
        *(_needed(name, TIME) for name in times),
        sa.PrimaryKeyConstraint("name", name="pk_persona"),
    )
    op.create_table(
        "product",
        _needed("sku", sa.Text()),
        _needed("title", sa.Text()),
        _needed("category", sa.Text()),
        _needed("packshot_key", sa.Text()),
        _needed("packshot_sha256", SHA256),
        _needed("attributes", JSON),
        *(_needed(name, TIME) for name in times),
        sa.PrimaryKeyConstraint("sku", name="pk_product"),
    )


def _create_shots() -> None:
    op.create_table(
        "shot",
        _needed("key", KEY),
        _needed("campaign", sa.Text(), sa.ForeignKey("campaign.name", name="fk_shot_campaign")),
        _needed("sku", sa.Text(), sa.ForeignKey("product.sku", name="fk_shot_sku")),
        _needed("environment", sa.Text(), sa.ForeignKey("environment.name", name="fk_shot_environment")),
        sa.Column("persona", sa.Text(), sa.ForeignKey("persona.name", name="fk_shot_persona")),
        _needed("framing", sa.Text()),
        _needed("spec", JSON),
        _needed("state", STATE),
        sa.Column("reason", sa.Text()),
        _needed("run_id", sa.Text()),
        _needed("created_at", TIME),
        _needed("updated_at", TIME),
        sa.PrimaryKeyConstraint("key", name="pk_shot"),
    )
    op.create_index("ix_shot_campaign_state", "shot", ["campaign", "state"])
    for column in ("sku", "environment", "persona"):
        op.create_index(f"ix_shot_{column}", "shot", [column])
    op.create_table(
        "take",
        _needed("key", KEY),
        _needed("shot_key", KEY, sa.ForeignKey("shot.key", name="fk_take_shot_key")),
        _needed("number", sa.Integer()),
        _needed("seed", sa.BigInteger()),
        _needed("changes", JSON),
        sa.Column("composed_key", sa.Text()),
        sa.Column("composed_sha256", SHA256),
        sa.Column("refined_key", sa.Text()),
        sa.Column("refined_sha256", SHA256),
        _needed("seconds", JSON),
        sa.Column("verdict", STATE),
        sa.Column("scorecard", JSON),
        _needed("created_at", TIME),
        _needed("updated_at", TIME),
        sa.PrimaryKeyConstraint("key", name="pk_take"),
    )
    op.create_index("ix_take_shot_key", "take", ["shot_key"])


def _create_outcomes() -> None:
    op.create_table(
        "asset",
        _needed("shot_key", KEY, sa.ForeignKey("shot.key", name="fk_asset_shot_key")),
        _needed("take_key", KEY, sa.ForeignKey("take.key", name="fk_asset_take_key")),
        _needed("master_key", sa.Text()),
        _needed("master_sha256", SHA256),
        _needed("manifest_key", sa.Text()),
        _needed("manifest_sha256", SHA256),
        _needed("renditions", JSON),
        _needed("run_id", sa.Text()),
        _needed("created_at", TIME),
        _needed("updated_at", TIME),
        sa.PrimaryKeyConstraint("shot_key", name="pk_asset"),
    )
    op.create_index("ix_asset_created_at", "asset", ["created_at"])
    op.create_table(
        "review",
        _needed("id", sa.Integer()),
        _needed("shot_key", KEY, sa.ForeignKey("shot.key", name="fk_review_shot_key")),
        _needed("take_key", KEY, sa.ForeignKey("take.key", name="fk_review_take_key")),
        _needed("reasons", JSON),
        _needed("opened_at", TIME),
        sa.Column("decision", STATE),
        sa.Column("decided_by", sa.Text()),
        sa.Column("note", sa.Text()),
        sa.Column("decided_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_review"),
        sa.UniqueConstraint("take_key", name="uq_review_take_key"),
    )
    op.create_index("ix_review_decision", "review", ["decision"])
    op.create_index("ix_review_shot_key", "review", ["shot_key"])
