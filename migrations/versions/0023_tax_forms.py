"""Tax forms, and when a programme's payouts wait for one."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

SKIPS = (
    "reason IN ('below_minimum', 'negative', 'nothing_left', 'no_account', 'account_restricted', 'tax_form')"
)


def upgrade() -> None:
    with op.batch_alter_table("programme") as programme:
        programme.add_column(sa.Column("tax_forms", sa.Text(), server_default="never", nullable=False))
        programme.create_check_constraint(
            op.f("ck_programme_tax_forms"), "tax_forms IN ('never', 'threshold', 'always')"
        )
    name = op.f("ck_payout_skip_reason")
    with op.batch_alter_table("payout_skip") as skip:
        skip.drop_constraint(name, type_="check")
        skip.create_check_constraint(name, SKIPS)
    op.create_table(
        "tax_form",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("ends_with", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('w9', 'w8ben', 'dac7')", name=op.f("ck_tax_form_kind")),
        sa.CheckConstraint("state IN ('given', 'accepted', 'returned')", name=op.f("ck_tax_form_state")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_tax_form_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tax_form")),
        sa.UniqueConstraint("person_id", name=op.f("uq_tax_form_person_id")),
    )
