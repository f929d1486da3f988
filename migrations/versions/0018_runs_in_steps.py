"""A payout run is closed in steps, lines that wait for one are found by advocate, and what is due next in its order."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("payout_run", sa.Column("upto", sa.Text(), server_default="", nullable=False))
    op.add_column("payout_run", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE payout_run SET closed_at = made_at")
    _index("ix_reward_run_id", ["run_id", "membership_id"], "run_id IS NOT NULL", before=True)
    _index("ix_reward_payout_id", ["payout_id", "state"], "payout_id IS NOT NULL", before=True)
    _index("ix_reward_payable", ["programme_id", "membership_id"], "state = 'approved' AND run_id IS NULL")
    for table, moment in (("reward", "hold_until"), ("payout", "due_at")):
        op.drop_index(f"ix_{table}_{moment}", table_name=table)
        op.drop_index(f"ix_{table}_state", table_name=table)
        op.create_index(f"ix_{table}_state", table, ["state", moment])


def _index(name: str, columns: list[str], condition: str, *, before: bool = False) -> None:
    if before:
        op.drop_index(name, table_name="reward")
    some = sa.text(condition)
    op.create_index(name, "reward", columns, sqlite_where=some, postgresql_where=some)
