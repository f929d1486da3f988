"""Refunds that come back, and the rewards that get back what they took."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

CHECKS = (
    ("refund", "state", "state IN ('parked', 'applied', 'refused', 'came_back')"),
    ("reward", "kind", "kind IN ('earned', 'points', 'clawback', 'restored', 'carry')"),
)


def upgrade() -> None:
    for table, name, says in CHECKS:
        with op.batch_alter_table(table) as changed:
            changed.drop_constraint(op.f(f"ck_{table}_{name}"), type_="check")
            changed.create_check_constraint(op.f(f"ck_{table}_{name}"), says)
    op.add_column(
        "reward_reversal", sa.Column("restored_minor", sa.BigInteger(), server_default="0", nullable=False)
    )
