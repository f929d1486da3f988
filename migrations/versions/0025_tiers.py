"""Tiers, and who had which from when until when."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tier",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("programme_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("at_least", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("months", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("counts IN ('points', 'sales', 'leads', 'revenue')", name=op.f("ck_tier_counts")),
        sa.CheckConstraint("at_least > 0", name=op.f("ck_tier_at_least")),
        sa.CheckConstraint("months BETWEEN 1 AND 36", name=op.f("ck_tier_months")),
        sa.ForeignKeyConstraint(
            ["programme_id"], ["programme.id"], name=op.f("fk_tier_programme_id_programme")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tier")),
    )
    there = sa.text("ended_at IS NULL")
    for column in ("name", "place"):
        op.create_index(
            f"uq_tier_{column}",
            "tier",
            ["programme_id", column],
            unique=True,
            sqlite_where=there,
            postgresql_where=there,
        )
    op.create_table(
        "tier_held",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("membership_id", sa.Text(), nullable=False),
        sa.Column("tier_id", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["membership_id"], ["membership.id"], name=op.f("fk_tier_held_membership_id_membership")
        ),
        sa.ForeignKeyConstraint(["tier_id"], ["tier.id"], name=op.f("fk_tier_held_tier_id_tier")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tier_held")),
    )
    op.create_index("ix_tier_held_membership_id", "tier_held", ["membership_id"])
    op.create_index(
        "uq_tier_held_open",
        "tier_held",
        ["membership_id"],
        unique=True,
        sqlite_where=there,
        postgresql_where=there,
    )
