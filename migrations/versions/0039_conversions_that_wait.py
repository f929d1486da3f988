"""Conversions whose code or coupon is not known yet wait for it."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "waiting_conversion",
        sa.Column("conversion_id", sa.Text(), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversion_id"], ["conversion.id"], name=op.f("fk_waiting_conversion_conversion_id_conversion")
        ),
        sa.PrimaryKeyConstraint("conversion_id", name=op.f("pk_waiting_conversion")),
    )
    op.create_index(op.f("ix_waiting_conversion_next_at"), "waiting_conversion", ["next_at"])
