"""Which order a payment at Stripe is of, as a person said it: what was guessed so far may be asked anew."""

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("stripe_sale", sa.Column("said", sa.Boolean(), nullable=False, server_default=sa.false()))
