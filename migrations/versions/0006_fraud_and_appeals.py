"""signs of fraud, reviews and appeals"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0004"
branch_labels = None
depends_on = None


_SQLITE = (
    "CREATE TRIGGER reassignment_no_update BEFORE UPDATE ON reassignment BEGIN SELECT RAISE(ABORT, 'reassignment rows never change'); END",
    "CREATE TRIGGER reassignment_no_delete BEFORE DELETE ON reassignment BEGIN SELECT RAISE(ABORT, 'reassignment rows never change'); END",
)
_POSTGRESQL = (
    "CREATE OR REPLACE FUNCTION reassignment_refuses() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'reassignment rows never change'; END $$",
    "CREATE TRIGGER reassignment_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON reassignment FOR EACH STATEMENT EXECUTE FUNCTION reassignment_refuses()",
)


def upgrade() -> None:
    op.create_table(
        "fraud_threshold",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("programme_id", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("low", sa.Integer(), nullable=False),
        sa.Column("low_points", sa.Integer(), nullable=False),
        sa.Column("high", sa.Integer(), nullable=False),
        sa.Column("high_points", sa.Integer(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "about IN ('own_email', 'own_account', 'own_card', 'own_payout', 'own_staff', 'disposable_domain', 'seconds_after_click', 'burst', 'click_ratio', 'refund_rate', 'device_repeats', 'device_advocates', 'hold')",
            name=op.f("ck_fraud_threshold_about"),
        ),
        sa.CheckConstraint("low_points BETWEEN 0 AND high_points", name=op.f("ck_fraud_threshold_points")),
        sa.CheckConstraint(
            "valid_to IS NULL OR valid_to > valid_from", name=op.f("ck_fraud_threshold_valid")
        ),
        sa.ForeignKeyConstraint(
            ["programme_id"], ["programme.id"], name=op.f("fk_fraud_threshold_programme_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fraud_threshold")),
        sa.UniqueConstraint(
            "programme_id", "about", "version", name=op.f("uq_fraud_threshold_programme_id_about_version")
        ),
    )
    op.create_table(
        "fraud_due",
        sa.Column("membership_id", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["membership_id"], ["membership.id"], name=op.f("fk_fraud_due_membership_id")
        ),
        sa.PrimaryKeyConstraint("membership_id", name=op.f("pk_fraud_due")),
    )
    op.create_table(
        "appeal",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("conversion_id", sa.Text(), nullable=False),
        sa.Column("membership_id", sa.Text(), nullable=False),
        sa.Column("unit_id", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("filed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('open', 'granted', 'rejected')", name=op.f("ck_appeal_state")),
        sa.ForeignKeyConstraint(["conversion_id"], ["conversion.id"], name=op.f("fk_appeal_conversion_id")),
        sa.ForeignKeyConstraint(["membership_id"], ["membership.id"], name=op.f("fk_appeal_membership_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_appeal_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appeal")),
        sa.UniqueConstraint(
            "conversion_id", "membership_id", name=op.f("uq_appeal_conversion_id_membership_id")
        ),
    )
    op.create_index(op.f("ix_appeal_membership_id"), "appeal", ["membership_id"], unique=False)
    op.create_index(op.f("ix_appeal_unit_id"), "appeal", ["unit_id"], unique=False)
    op.create_table(
        "fraud_case",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("conversion_id", sa.Text(), nullable=False),
        sa.Column("membership_id", sa.Text(), nullable=False),
        sa.Column("programme_id", sa.Text(), nullable=False),
        sa.Column("unit_id", sa.Text(), nullable=False),
        sa.Column("link_id", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("hold_at", sa.Integer(), nullable=False),
        sa.Column("signals", sa.JSON(), nullable=False),
        sa.Column("assessed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_score", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('noted', 'open', 'cleared', 'confirmed')", name=op.f("ck_fraud_case_state")
        ),
        sa.ForeignKeyConstraint(
            ["conversion_id"], ["conversion.id"], name=op.f("fk_fraud_case_conversion_id")
        ),
        sa.ForeignKeyConstraint(["link_id"], ["link.id"], name=op.f("fk_fraud_case_link_id")),
        sa.ForeignKeyConstraint(
            ["membership_id"], ["membership.id"], name=op.f("fk_fraud_case_membership_id")
        ),
        sa.ForeignKeyConstraint(["programme_id"], ["programme.id"], name=op.f("fk_fraud_case_programme_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_fraud_case_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fraud_case")),
        sa.UniqueConstraint(
            "conversion_id", "membership_id", name=op.f("uq_fraud_case_conversion_id_membership_id")
        ),
    )
    op.create_index(op.f("ix_fraud_case_membership_id"), "fraud_case", ["membership_id"], unique=False)
    op.create_index("ix_fraud_case_unit_state", "fraud_case", ["unit_id", "state"], unique=False)
    op.create_table(
        "fraud_trace",
        sa.Column("conversion_id", sa.Text(), nullable=False),
        sa.Column("membership_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("is_own", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('card', 'device')", name=op.f("ck_fraud_trace_kind")),
        sa.ForeignKeyConstraint(
            ["conversion_id"], ["conversion.id"], name=op.f("fk_fraud_trace_conversion_id")
        ),
        sa.ForeignKeyConstraint(
            ["membership_id"], ["membership.id"], name=op.f("fk_fraud_trace_membership_id")
        ),
        sa.PrimaryKeyConstraint("conversion_id", "membership_id", "kind", name=op.f("pk_fraud_trace")),
    )
    op.create_index(op.f("ix_fraud_trace_at"), "fraud_trace", ["at"], unique=False)
    op.create_index("ix_fraud_trace_value", "fraud_trace", ["kind", "value"], unique=False)
    op.create_table(
        "reassignment",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("conversion_id", sa.Text(), nullable=False),
        sa.Column("from_membership_id", sa.Text(), nullable=True),
        sa.Column("to_membership_id", sa.Text(), nullable=True),
        sa.Column("was_shared", sa.Boolean(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversion_id"], ["conversion.id"], name=op.f("fk_reassignment_conversion_id")
        ),
        sa.ForeignKeyConstraint(
            ["from_membership_id"], ["membership.id"], name=op.f("fk_reassignment_from_membership_id")
        ),
        sa.ForeignKeyConstraint(
            ["to_membership_id"], ["membership.id"], name=op.f("fk_reassignment_to_membership_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reassignment")),
    )
    op.create_index(op.f("ix_reassignment_conversion_id"), "reassignment", ["conversion_id"], unique=False)
    op.create_table(
        "held_reward",
        sa.Column("reward_id", sa.Text(), nullable=False),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason_before", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["reward_id"], ["reward.id"], name=op.f("fk_held_reward_reward_id")),
        sa.PrimaryKeyConstraint("reward_id", name=op.f("pk_held_reward")),
    )
    op.create_table(
        "reward_withdrawal",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("reward_id", sa.Text(), nullable=False),
        sa.Column("reassignment_id", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["reassignment_id"], ["reassignment.id"], name=op.f("fk_reward_withdrawal_reassignment_id")
        ),
        sa.ForeignKeyConstraint(["reward_id"], ["reward.id"], name=op.f("fk_reward_withdrawal_reward_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reward_withdrawal")),
        sa.UniqueConstraint(
            "reward_id", "reassignment_id", name=op.f("uq_reward_withdrawal_reward_id_reassignment_id")
        ),
    )
    op.create_index(
        op.f("ix_reward_withdrawal_reassignment_id"), "reward_withdrawal", ["reassignment_id"], unique=False
    )
    op.add_column("conversion", sa.Column("assessed_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_index(op.f("ix_conversion_membership_id"), table_name="conversion")
    op.create_index(
        "ix_conversion_membership_when", "conversion", ["membership_id", "occurred_at"], unique=False
    )
    op.create_index(
        "ix_conversion_unassessed",
        "conversion",
        ["id"],
        unique=False,
        sqlite_where=sa.text("assessed_at IS NULL"),
        postgresql_where=sa.text("assessed_at IS NULL"),
    )
    op.add_column("payout_account", sa.Column("fingerprints", sa.JSON(), nullable=False, server_default="[]"))
    for statement in {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}[op.get_bind().dialect.name]:
        op.execute(statement)
