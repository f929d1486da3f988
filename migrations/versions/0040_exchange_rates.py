"""Exchange rates, the one that a reward was exchanged by, and rewards that wait for one."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

SQLITE = [
    f"CREATE TRIGGER exchange_rate_no_{act.lower()} BEFORE {act} ON exchange_rate "
    "BEGIN SELECT RAISE(ABORT, 'exchange_rate rows never change'); END"
    for act in ("UPDATE", "DELETE")
]
POSTGRESQL = [
    (
        "CREATE OR REPLACE FUNCTION exchange_rate_refuses() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'exchange_rate rows never change'; END $$"
    ),
    (
        "CREATE TRIGGER exchange_rate_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON exchange_rate "
        "FOR EACH STATEMENT EXECUTE FUNCTION exchange_rate_refuses()"
    ),
]


def upgrade() -> None:
    op.add_column("reward", sa.Column("exchange", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "exchange_rate",
        sa.Column("id", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("unit_id", "base", "quote", "rate")),
        sa.Column("day", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("source", "entered_by")),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_exchange_rate_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exchange_rate")),
    )
    op.create_index("ix_exchange_rate_day", "exchange_rate", ["day"])
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL:
        op.execute(statement)
    op.create_table(
        "reward_rate_wait",
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("id", "due_key", "conversion_id", "unit_id", "base", "quote")
        ),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversion_id"], ["conversion.id"], name=op.f("fk_reward_rate_wait_conversion_id_conversion")
        ),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_reward_rate_wait_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reward_rate_wait")),
        sa.UniqueConstraint("due_key", name=op.f("uq_reward_rate_wait_due_key")),
    )
    op.create_index("ix_reward_rate_wait_rate", "reward_rate_wait", ["day", "base", "quote"])
