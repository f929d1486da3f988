"""Statements as documents: the months that have ended, and what was printed of them."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "closed_month",
        sa.Column("programme_id", sa.Text(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["programme_id"], ["programme.id"], name=op.f("fk_closed_month_programme_id")
        ),
        sa.PrimaryKeyConstraint("programme_id", "month", name=op.f("pk_closed_month")),
    )
    op.create_table(
        "statement_document",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("membership_id", sa.Text(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("file_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["file_id"], ["stored_file.id"], name=op.f("fk_statement_document_file_id")),
        sa.ForeignKeyConstraint(
            ["membership_id"], ["membership.id"], name=op.f("fk_statement_document_membership_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statement_document")),
        sa.UniqueConstraint("membership_id", "month", name=op.f("uq_statement_document_membership_id_month")),
    )
    op.create_index(op.f("ix_statement_document_file_id"), "statement_document", ["file_id"])
