"""Activities and their kinds; rules about them, about accepted answers and about milestones."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

TRIGGER = "trigger IN ('lead', 'sale', 'recurring', 'certification', 'milestone', 'activity', 'answer')"


def upgrade() -> None:
    name = op.f("ck_reward_rule_trigger")
    with op.batch_alter_table("reward_rule") as rule:
        rule.drop_constraint(name, type_="check")
        rule.create_check_constraint(name, TRIGGER)
    op.add_column("reward", sa.Column("activity_id", sa.Text(), nullable=True))
    op.create_table(
        "activity_kind",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("programme_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("counts_as", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("counts_as IN ('activity', 'answer')", name=op.f("ck_activity_kind_counts_as")),
        sa.ForeignKeyConstraint(
            ["programme_id"], ["programme.id"], name=op.f("fk_activity_kind_programme_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activity_kind")),
        sa.UniqueConstraint("programme_id", "name", name=op.f("uq_activity_kind_programme_id_name")),
    )
    op.create_table(
        "activity",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind_id", sa.Text(), nullable=False),
        sa.Column("membership_id", sa.Text(), nullable=False),
        sa.Column("unit_id", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("taken_back_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('open', 'accepted', 'declined', 'taken_back')", name=op.f("ck_activity_state")
        ),
        sa.ForeignKeyConstraint(["kind_id"], ["activity_kind.id"], name=op.f("fk_activity_kind_id")),
        sa.ForeignKeyConstraint(["membership_id"], ["membership.id"], name=op.f("fk_activity_membership_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_activity_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activity")),
    )
    for column in ("kind_id", "membership_id", "unit_id"):
        op.create_index(op.f(f"ix_activity_{column}"), "activity", [column])
    counts = sa.text("state != 'declined'")
    op.create_index(
        "uq_activity_evidence",
        "activity",
        ["membership_id", "evidence"],
        unique=True,
        sqlite_where=counts,
        postgresql_where=counts,
    )
