"""What Stripe's balance moved, beside our ledger; perks and parts of transfers that came back."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

KINDS = ("missing", "reversed", "amount", "twice", "unsettled", "stranger", "balance")


def upgrade() -> None:
    op.create_table(
        "reconciled_balance",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("reconciliation_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        *(
            sa.Column(f"{each}_minor", sa.BigInteger(), nullable=False)
            for each in ("ours", "theirs", "available", "waiting")
        ),
        sa.ForeignKeyConstraint(
            ["reconciliation_id"], ["reconciliation.id"], name=op.f("fk_reconciled_balance_reconciliation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciled_balance")),
        sa.UniqueConstraint(
            "reconciliation_id", "currency", name=op.f("uq_reconciled_balance_reconciliation_id_currency")
        ),
    )
    for column in ("back_minor", "owed_again_minor"):
        op.add_column("payout", sa.Column(column, sa.BigInteger(), server_default="0", nullable=False))
    _words("reconciliation_difference", "kind", KINDS)
    _words("perk_order", "state", ("ordered", "sent", "declined", "returned"))


def _words(table: str, column: str, words: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{each}'" for each in words)
    with op.batch_alter_table(table) as changed:
        changed.drop_constraint(op.f(f"ck_{table}_{column}"), type_="check")
        changed.create_check_constraint(op.f(f"ck_{table}_{column}"), f"{column} IN ({listed})")
