"""Nothing looks for the lines of a run: they are found by their payout, and a run writes one index less for each."""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_reward_run_id", table_name="reward")
