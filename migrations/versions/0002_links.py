"""links by day, codes that look alike, what programmes say of their links and share kits"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

USUAL_UTM = {"source": "advocate", "medium": "referral", "campaign": "{campaign}"}
CHANNELS = "'mail', 'whatsapp', 'x', 'linkedin', 'facebook', 'blog'"
ALIKE = str.maketrans("01i", "oll")


def upgrade() -> None:
    op.create_table(
        "link_day",
        sa.Column("link_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("clicks", sa.BigInteger(), nullable=False),
        sa.Column("handheld", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("link_id", "day", name=op.f("pk_link_day")),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO link_day SELECT link_id, day, count(*),"
        " sum(CASE WHEN device IN ('mobile', 'tablet') THEN 1 ELSE 0 END)"
        " FROM click WHERE counted GROUP BY link_id, day"
    )
    op.create_table(
        "share_words",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("programme_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(f"channel IN ({CHANNELS})", name=op.f("ck_share_words_channel")),
        sa.ForeignKeyConstraint(["programme_id"], ["programme.id"], name=op.f("fk_share_words_programme_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_words")),
    )
    op.create_index(op.f("ix_share_words_programme_id"), "share_words", ["programme_id"], unique=False)
    op.create_table(
        "share_asset",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("programme_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["programme_id"], ["programme.id"], name=op.f("fk_share_asset_programme_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_asset")),
    )
    op.create_index(op.f("ix_share_asset_programme_id"), "share_asset", ["programme_id"], unique=False)
    _add(
        "programme",
        sa.Column("utm_template", sa.JSON(), nullable=False, server_default=json.dumps(USUAL_UTM)),
    )
    _shape_codes()


def _shape_codes() -> None:
    """What each code looks like; of two that look alike already the later one keeps its id beside it."""
    connection = op.get_bind()
    op.add_column("link", sa.Column("code_shape", sa.Text(), nullable=False, server_default=""))
    taken: set[str] = set()
    for link, code in connection.execute(sa.text("SELECT id, code FROM link ORDER BY id")).all():
        shape = code.translate(ALIKE)
        shape = f"{shape} {link}" if shape in taken else shape
        taken.add(shape)
        connection.execute(
            sa.text("UPDATE link SET code_shape = :shape WHERE id = :id"), {"shape": shape, "id": link}
        )
    op.create_index("uq_link_code_shape", "link", ["code_shape"], unique=True)
    _without_default("link", "code_shape")


def _add(table: str, column: sa.Column) -> None:
    op.add_column(table, column)
    _without_default(table, column.name)


def _without_default(table: str, column: str) -> None:
    """The default was for the rows there are; SQLite would copy the table to take it away, so there it stays."""
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column(table, column, server_default=None)
