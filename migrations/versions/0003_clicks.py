"""the country of a click, and the clicks that could not be put on file"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("click", sa.Column("country", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "lost_clicks",
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("clicks", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("segment", name=op.f("pk_lost_clicks")),
    )
