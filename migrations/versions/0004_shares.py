"""several advocates can share a conversion"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

RULE = "attribution_rule IN ('last_touch', 'first_touch', 'coupon_over_click', 'split')"


def upgrade() -> None:
    _rule()
    op.add_column(
        "attribution_candidate",
        sa.Column("weight_basis_points", sa.Integer(), nullable=False, server_default="0"),
    )
    op.add_column(
        "attribution_candidate",
        sa.Column("share_minor", sa.BigInteger(), nullable=False, server_default="0"),
    )
    op.add_column("conversion", sa.Column("shared", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.drop_index("ix_conversion_customer", "conversion")
    op.create_index("ix_conversion_customer", "conversion", ["unit_id", "customer_id", "occurred_at"])
    # Whoever won before there were shares has the whole.
    op.execute(
        "UPDATE attribution_candidate SET weight_basis_points = 10000, share_minor = "
        "(SELECT amount_minor FROM conversion WHERE conversion.id = conversion_id) WHERE won"
    )
    op.create_table(
        "refund_share",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("refund_id", sa.Text(), nullable=False),
        sa.Column("candidate_id", sa.Text(), nullable=False),
        sa.Column("membership_id", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["candidate_id"], ["attribution_candidate.id"], name=op.f("fk_refund_share_candidate_id")
        ),
        sa.ForeignKeyConstraint(
            ["membership_id"], ["membership.id"], name=op.f("fk_refund_share_membership_id")
        ),
        sa.ForeignKeyConstraint(["refund_id"], ["refund.id"], name=op.f("fk_refund_share_refund_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund_share")),
        sa.UniqueConstraint("refund_id", "candidate_id", name=op.f("uq_refund_share_refund_id_candidate_id")),
    )
    op.create_index(op.f("ix_refund_share_candidate_id"), "refund_share", ["candidate_id"])


def _rule() -> None:
    name = op.f("ck_programme_attribution_rule")
    with op.batch_alter_table("programme") as programme:
        programme.drop_constraint(name, type_="check")
        programme.create_check_constraint(name, RULE)
