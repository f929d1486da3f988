"""Perks for points, and their orders."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "perk",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("programme_id", sa.Text(), nullable=False),
        sa.Column("unit_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("stock", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("points > 0", name=op.f("ck_perk_points")),
        sa.CheckConstraint("stock >= 0", name=op.f("ck_perk_stock")),
        sa.ForeignKeyConstraint(
            ["programme_id"], ["programme.id"], name=op.f("fk_perk_programme_id_programme")
        ),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_perk_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_perk")),
    )
    op.create_index("ix_perk_programme_id", "perk", ["programme_id"])
    op.create_table(
        "perk_order",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("once", sa.Text(), nullable=False),
        sa.Column("perk_id", sa.Text(), nullable=False),
        sa.Column("membership_id", sa.Text(), nullable=False),
        sa.Column("unit_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("wish", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ordered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('ordered', 'sent', 'declined')", name=op.f("ck_perk_order_state")),
        sa.ForeignKeyConstraint(
            ["membership_id"], ["membership.id"], name=op.f("fk_perk_order_membership_id_membership")
        ),
        sa.ForeignKeyConstraint(["perk_id"], ["perk.id"], name=op.f("fk_perk_order_perk_id_perk")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_perk_order_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_perk_order")),
        sa.UniqueConstraint("membership_id", "once", name=op.f("uq_perk_order_membership_id_once")),
    )
    op.create_index("ix_perk_order_perk_id", "perk_order", ["perk_id"])
    op.create_index("ix_perk_order_unit_id", "perk_order", ["unit_id"])
