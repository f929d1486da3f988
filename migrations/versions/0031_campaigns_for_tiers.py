"""Campaigns that were launched for a tier are kept: nobody else opens a link with their name."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tier_campaign",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("programme_id", sa.Text(), nullable=False),
        sa.Column("shape", sa.Text(), nullable=False),
        sa.Column("tier_id", sa.Text(), nullable=False),
        sa.Column("launched_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["programme_id"], ["programme.id"], name=op.f("fk_tier_campaign_programme_id_programme")
        ),
        sa.ForeignKeyConstraint(["tier_id"], ["tier.id"], name=op.f("fk_tier_campaign_tier_id_tier")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tier_campaign")),
        sa.UniqueConstraint("programme_id", "shape", name=op.f("uq_tier_campaign_programme_id_shape")),
    )
