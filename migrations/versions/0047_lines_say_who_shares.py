"""Who would share the order of a file's line."""

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("conversion_import_row", sa.Column("shares", sa.JSON(), nullable=True))
