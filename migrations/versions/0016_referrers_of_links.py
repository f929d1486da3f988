"""clicks of links by referrer host"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "link_referrer",
        sa.Column("link_id", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("clicks", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("link_id", "host", name=op.f("pk_link_referrer")),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO link_referrer SELECT link_id, referrer_host, count(*)"
        " FROM click WHERE counted AND referrer_host <> '' GROUP BY link_id, referrer_host"
    )
