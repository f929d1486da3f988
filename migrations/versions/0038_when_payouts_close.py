"""Since when a programme's payouts close as they do: a closing before that belongs to the clockwork that was."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("programme", sa.Column("payouts_changed_at", sa.DateTime(timezone=True), nullable=True))
