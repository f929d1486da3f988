"""conversions in: Stripe's sales, files that are imported"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
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
    op.create_table(
        "conversion_import",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("unit_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("brought_by", sa.Text(), nullable=False),
        sa.Column("brought_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('conversions', 'refunds')", name=op.f("ck_conversion_import_kind")),
        sa.CheckConstraint(
            "state IN ('reading', 'checked', 'recording', 'done')", name=op.f("ck_conversion_import_state")
        ),
        sa.ForeignKeyConstraint(["brought_by"], ["person.id"], name=op.f("fk_conversion_import_brought_by")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_conversion_import_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversion_import")),
    )
    op.create_index(op.f("ix_conversion_import_due_at"), "conversion_import", ["due_at"], unique=False)
    op.create_index(op.f("ix_conversion_import_unit_id"), "conversion_import", ["unit_id"], unique=False)
    op.create_table(
        "conversion_import_row",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("import_id", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("said", sa.JSON(), nullable=True),
        sa.Column("foretold", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("membership_id", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "foretold IN ('', 'new', 'known', 'refused')", name=op.f("ck_conversion_import_row_foretold")
        ),
        sa.CheckConstraint(
            "outcome IN ('', 'new', 'known', 'refused')", name=op.f("ck_conversion_import_row_outcome")
        ),
        sa.ForeignKeyConstraint(
            ["import_id"], ["conversion_import.id"], name=op.f("fk_conversion_import_row_import_id")
        ),
        sa.ForeignKeyConstraint(
            ["membership_id"], ["membership.id"], name=op.f("fk_conversion_import_row_membership_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversion_import_row")),
        sa.UniqueConstraint("import_id", "line", name=op.f("uq_conversion_import_row_import_id_line")),
    )
