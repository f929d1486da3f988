"""Indexes of what most rewards do not have hold only those that have it."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("parent_id", "run_id", "payout_id"):
        name, there = f"ix_reward_{column}", sa.text(f"{column} IS NOT NULL")
        op.drop_index(name, table_name="reward")
        op.create_index(name, "reward", [column], sqlite_where=there, postgresql_where=there)
