"""Disputes are open on payments, which may turn out to be of another sale; and a person may say that one is of none of ours."""

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "disputed_payment",
        sa.Column("payment", sa.Text(), nullable=False),
        sa.Column("conversion_id", sa.Text(), nullable=False),
        sa.Column("disputes", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversion_id"], ["conversion.id"], name=op.f("fk_disputed_payment_conversion_id_conversion")
        ),
        sa.PrimaryKeyConstraint("payment", name=op.f("pk_disputed_payment")),
    )
    op.create_index(op.f("ix_disputed_payment_conversion_id"), "disputed_payment", ["conversion_id"])
    connection = op.get_bind()
    rows = connection.execute(
        sa.text(
            "SELECT conversion_id, words, (SELECT min(payment_intent) FROM stripe_sale "
            "WHERE stripe_sale.conversion_id = disputed_sale.conversion_id AND payment_intent <> '') AS payment "
            "FROM disputed_sale"
        )
    ).all()
    table = sa.table(
        "disputed_payment", sa.column("payment"), sa.column("conversion_id"), sa.column("disputes", sa.JSON())
    )
    for row in rows:  # which of several payments it was is known when it is read again
        named = row.words.rpartition("(")[2].partition(")")[0]
        values = {
            "payment": row.payment or f"of {row.conversion_id}",
            "conversion_id": row.conversion_id,
            "disputes": named.split(", "),
        }
        connection.execute(sa.insert(table).values(values))
    op.drop_table("disputed_sale")
    with op.batch_alter_table("stripe_sale") as batch:
        batch.alter_column("conversion_id", existing_type=sa.Text(), nullable=True)
