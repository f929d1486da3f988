"""The uniqueness of transfers looks at payouts that have one only: a run stores a hundred thousand without."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("payout") as payout:
        payout.drop_constraint(op.f("uq_payout_transfer_id"), type_="unique")
    there = sa.text("transfer_id IS NOT NULL")
    op.create_index(
        "uq_payout_transfer_id",
        "payout",
        ["transfer_id"],
        unique=True,
        sqlite_where=there,
        postgresql_where=there,
    )
