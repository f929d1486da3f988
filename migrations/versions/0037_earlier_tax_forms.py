"""The versions of a tax form that newer ones replaced."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

_CHANGING = (
    "UPDATE OF kind, country, ends_with, state, version, signed_at, valid_until, decided_by, decided_at, reason, "
    "id, form_id, replaced_at"
)
"""everything but the details, which are sealed anew when keys change"""
_SQLITE = (
    f"CREATE TRIGGER earlier_tax_form_no_update BEFORE {_CHANGING} ON earlier_tax_form BEGIN SELECT RAISE(ABORT, 'earlier_tax_form rows never change'); END",
    "CREATE TRIGGER earlier_tax_form_no_delete BEFORE DELETE ON earlier_tax_form BEGIN SELECT RAISE(ABORT, 'earlier_tax_form rows never change'); END",
)
_POSTGRESQL = (
    "CREATE OR REPLACE FUNCTION earlier_tax_form_refuses() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'earlier_tax_form rows never change'; END $$",
    f"CREATE TRIGGER earlier_tax_form_never_changed BEFORE {_CHANGING} OR DELETE OR TRUNCATE ON earlier_tax_form FOR EACH STATEMENT EXECUTE FUNCTION earlier_tax_form_refuses()",
)


def upgrade() -> None:
    op.create_table(
        "earlier_tax_form",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("form_id", sa.Text(), nullable=False),
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
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('w9', 'w8ben', 'dac7')", name=op.f("ck_earlier_tax_form_kind")),
        sa.CheckConstraint(
            "state IN ('given', 'accepted', 'returned')", name=op.f("ck_earlier_tax_form_state")
        ),
        sa.ForeignKeyConstraint(
            ["form_id"], ["tax_form.id"], name=op.f("fk_earlier_tax_form_form_id_tax_form")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_earlier_tax_form")),
        sa.UniqueConstraint("form_id", "version", name=op.f("uq_earlier_tax_form_form_id_version")),
    )
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)
