"""The steps of a member lie side by side, tables of sums are their own index, and the overdraft check means what it says."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _anew(
        "ladder",
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("unit_id", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("metric", "member_id", "period", name=op.f("pk_ladder")),
    )
    most_first = sa.literal_column("value DESC")
    op.create_index("ix_ladder_standings", "ladder", ["metric", "period", "unit_id", most_first])
    _anew(
        "time_series",
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("unit_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("metric", "unit_id", "day", name=op.f("pk_time_series")),
    )
    _anew(
        "link_tally",
        sa.Column("link_id", sa.Text(), nullable=False),
        sa.Column("clicks", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("link_id", name=op.f("pk_link_tally")),
    )
    _anew(
        "ledger_balance",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        # In the first shape `:reserved` was taken for a parameter, and nothing was checked.
        sa.CheckConstraint(
            r"account NOT LIKE '%\:reserved' OR balance_minor >= 0",
            name=op.f("ck_ledger_balance_overdraft"),
        ),
        sa.PrimaryKeyConstraint("account", "currency", name=op.f("pk_ledger_balance")),
    )


def _anew(name: str, *shape: sa.schema.SchemaItem) -> None:
    """Make a table again in another shape, with what was in it."""
    op.execute(f'CREATE TABLE "{name}_before" AS SELECT * FROM "{name}"')  # noqa: S608 - our own names
    op.drop_table(name)
    op.create_table(name, *shape, sqlite_with_rowid=False)
    names = ", ".join(f'"{each.name}"' for each in shape if isinstance(each, sa.Column))
    op.execute(f'INSERT INTO "{name}" ({names}) SELECT {names} FROM "{name}_before"')  # noqa: S608 - as above
    op.drop_table(f"{name}_before")
