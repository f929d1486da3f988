"""Payouts in kind: what a perk is worth, how many are ordered, and for which payout; bank files of any currency."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("bank_file", sa.Column("currency", sa.Text(), server_default="EUR", nullable=False))
    name = op.f("ck_perk_points")
    with op.batch_alter_table("perk") as perk:
        perk.add_column(sa.Column("worth_minor", sa.BigInteger(), server_default="0", nullable=False))
        perk.drop_constraint(name, type_="check")
        perk.create_check_constraint(name, "points >= 0 AND points + worth_minor > 0")
    pays = sa.text("worth_minor > 0 AND withdrawn_at IS NULL")
    op.create_index(
        "uq_perk_pays", "perk", ["programme_id"], unique=True, sqlite_where=pays, postgresql_where=pays
    )
    with op.batch_alter_table("perk_order") as order:
        order.add_column(sa.Column("quantity", sa.Integer(), server_default="1", nullable=False))
        order.add_column(sa.Column("payout_id", sa.Text(), nullable=True))
        order.create_foreign_key(op.f("fk_perk_order_payout_id_payout"), "payout", ["payout_id"], ["id"])
        order.create_unique_constraint(op.f("uq_perk_order_payout_id"), ["payout_id"])
