"""What was told is kept until it is needed: a refund's currency until its sale comes, a refused line's cells to be mended."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("refund", sa.Column("currency", sa.Text(), nullable=False, server_default=""))
    op.add_column("conversion_import_row", sa.Column("cells", sa.JSON(), nullable=True))
