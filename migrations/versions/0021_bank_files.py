"""Payouts by bank file."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("payout", sa.Column("provider", sa.Text(), server_default="stripe", nullable=False))
    op.add_column("payout", sa.Column("reference", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "bank_account",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("iban", sa.Text(), nullable=False),
        sa.Column("ends_with", sa.Text(), nullable=False),
        sa.Column("bic", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_bank_account_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_account")),
        sa.UniqueConstraint("person_id", name=op.f("uq_bank_account_person_id")),
    )
    op.create_table(
        "bank_file",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("xml_id", sa.Text(), nullable=False),
        sa.Column("csv_id", sa.Text(), nullable=False),
        sa.Column("payouts", sa.Integer(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["csv_id"], ["stored_file.id"], name=op.f("fk_bank_file_csv_id_stored_file")),
        sa.ForeignKeyConstraint(["run_id"], ["payout_run.id"], name=op.f("fk_bank_file_run_id_payout_run")),
        sa.ForeignKeyConstraint(["xml_id"], ["stored_file.id"], name=op.f("fk_bank_file_xml_id_stored_file")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_file")),
    )
    op.create_index("ix_bank_file_run_id", "bank_file", ["run_id"])
