"""Orders that a person said to stand alone; since when one that waits fails; which of Stripe's objects are a sale, by the sale."""

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "conversion", sa.Column("stands_alone", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("waiting_conversion", sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True))
    op.create_index(op.f("ix_stripe_sale_conversion_id"), "stripe_sale", ["conversion_id"])
