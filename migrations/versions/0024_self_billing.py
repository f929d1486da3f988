"""Self-billed invoices."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "invoice_issuer",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("unit_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("vat_id", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_invoice_issuer_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice_issuer")),
        sa.UniqueConstraint("unit_id", name=op.f("uq_invoice_issuer_unit_id")),
        sa.UniqueConstraint("prefix", name=op.f("uq_invoice_issuer_prefix")),
    )
    op.create_table(
        "self_billing_agreement",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("membership_id", sa.Text(), nullable=False),
        sa.Column("agreed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["membership_id"],
            ["membership.id"],
            name=op.f("fk_self_billing_agreement_membership_id_membership"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_self_billing_agreement")),
    )
    op.create_index("ix_self_billing_agreement_membership_id", "self_billing_agreement", ["membership_id"])
    in_force = sa.text("ended_at IS NULL")
    op.create_index(
        "uq_self_billing_agreement_open",
        "self_billing_agreement",
        ["membership_id"],
        unique=True,
        sqlite_where=in_force,
        postgresql_where=in_force,
    )
    op.create_table(
        "invoice_series",
        sa.Column("issuer_id", sa.Text(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["issuer_id"], ["invoice_issuer.id"], name=op.f("fk_invoice_series_issuer_id_invoice_issuer")
        ),
        sa.PrimaryKeyConstraint("issuer_id", "year", name=op.f("pk_invoice_series")),
    )
    op.create_table(
        "self_billed_invoice",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("issuer_id", sa.Text(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("membership_id", sa.Text(), nullable=False),
        sa.Column("unit_id", sa.Text(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("gross_minor", sa.BigInteger(), nullable=False),
        sa.Column("vat_minor", sa.BigInteger(), nullable=False),
        sa.Column("vat_basis_points", sa.Integer(), nullable=False),
        sa.Column("vat_sentence", sa.Text(), nullable=False),
        sa.Column("customer", sa.JSON(), nullable=False),
        sa.Column("supplier", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["issuer_id"], ["invoice_issuer.id"], name=op.f("fk_self_billed_invoice_issuer_id_invoice_issuer")
        ),
        sa.ForeignKeyConstraint(
            ["membership_id"], ["membership.id"], name=op.f("fk_self_billed_invoice_membership_id_membership")
        ),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_self_billed_invoice_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_self_billed_invoice")),
        sa.UniqueConstraint(
            "issuer_id", "year", "place", name=op.f("uq_self_billed_invoice_issuer_id_year_place")
        ),
        sa.UniqueConstraint(
            "membership_id",
            "month",
            "currency",
            name=op.f("uq_self_billed_invoice_membership_id_month_currency"),
        ),
        sa.UniqueConstraint("number", name=op.f("uq_self_billed_invoice_number")),
    )
    op.create_index("ix_self_billed_invoice_unit_id", "self_billed_invoice", ["unit_id"])
