"""Which payout of Stripe's to the bank a payout landed or failed with."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("payout", sa.Column("bank_payout", sa.Text(), server_default="", nullable=False))
    op.add_column("payout", sa.Column("bank_payout_at", sa.DateTime(timezone=True), nullable=True))
