"""Coupons that links had once."""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "former_coupon",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("coupon", sa.Text(), nullable=False),
        sa.Column("link_id", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["link_id"], ["link.id"], name=op.f("fk_former_coupon_link_id_link")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_former_coupon")),
    )
    op.create_index(op.f("ix_former_coupon_coupon"), "former_coupon", ["coupon"])
