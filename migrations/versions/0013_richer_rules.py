"""Rules with conditions and caps, recurring sales, and what of a conversion was tax, shipping and discount."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TRIGGER = "trigger IN ('lead', 'sale', 'recurring', 'certification')"


def upgrade() -> None:
    for name in ("tax_minor", "shipping_minor", "discount_minor"):
        op.add_column("conversion", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("reward_rule", sa.Column("conditions", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("reward_rule", sa.Column("cap_currency", sa.Text(), nullable=False, server_default=""))
    name = op.f("ck_reward_rule_trigger")
    with op.batch_alter_table("reward_rule") as rule:
        rule.drop_constraint(name, type_="check")
        rule.create_check_constraint(name, TRIGGER)
    op.create_table(
        "reward_cap_use",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("membership_id", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("pays", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("used_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("used_minor >= 0", name=op.f("ck_reward_cap_use_used")),
        sa.ForeignKeyConstraint(
            ["membership_id"], ["membership.id"], name=op.f("fk_reward_cap_use_membership_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reward_cap_use")),
        sa.UniqueConstraint(
            "membership_id",
            "trigger",
            "pays",
            "period",
            "currency",
            name=op.f("uq_reward_cap_use_membership_id_trigger_pays_period_currency"),
        ),
    )
