"""Since when somebody may be in a call for a payout, so that nothing new begins while it may still be made."""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("payout_attempt", sa.Column("unheard_since", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE payout_attempt SET unheard_since = sent_at WHERE outcome = 'open'")
