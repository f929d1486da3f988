"""conversions in: Stripe's sales"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "stripe_sale",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("payment_intent", sa.Text(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("conversion_id", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversion_id"], ["conversion.id"], name=op.f("fk_stripe_sale_conversion_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stripe_sale")),
        sa.UniqueConstraint("object_id", name=op.f("uq_stripe_sale_object_id")),
    )
    op.create_index(op.f("ix_stripe_sale_customer"), "stripe_sale", ["customer"], unique=False)
    op.create_index(op.f("ix_stripe_sale_payment_intent"), "stripe_sale", ["payment_intent"], unique=False)
