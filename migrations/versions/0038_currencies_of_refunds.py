"""A refund may say its currency: it is kept with it until its sale is known, and compared then."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("refund", sa.Column("currency", sa.Text(), nullable=False, server_default=""))
