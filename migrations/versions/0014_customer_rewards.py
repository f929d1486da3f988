"""What referred customers get."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "customer_reward",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("once_for", sa.Text(), nullable=False),
        sa.Column("conversion_id", sa.Text(), nullable=False),
        sa.Column("rule_id", sa.Text(), nullable=False),
        sa.Column("unit_id", sa.Text(), nullable=False),
        sa.Column("coupon", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversion_id"], ["conversion.id"], name=op.f("fk_customer_reward_conversion_id")
        ),
        sa.ForeignKeyConstraint(["rule_id"], ["reward_rule.id"], name=op.f("fk_customer_reward_rule_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_customer_reward_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_reward")),
        sa.UniqueConstraint("once_for", name=op.f("uq_customer_reward_once_for")),
    )
    op.create_index(op.f("ix_customer_reward_conversion_id"), "customer_reward", ["conversion_id"])
