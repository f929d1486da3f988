"""Lines that take back can be written off by two people."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "write_off",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("reward_id", sa.Text(), nullable=False),
        sa.Column("unit_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('asked', 'done', 'refused')", name=op.f("ck_write_off_state")),
        sa.ForeignKeyConstraint(["reward_id"], ["reward.id"], name=op.f("fk_write_off_reward_id_reward")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_write_off_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_write_off")),
    )
    some = sa.text("state = 'asked'")
    op.create_index(
        "uq_write_off_open", "write_off", ["reward_id"], unique=True, sqlite_where=some, postgresql_where=some
    )
