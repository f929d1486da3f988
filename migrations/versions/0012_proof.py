"""When the password of a session was given last; those from before are asked for it."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sign_in_session", sa.Column("proved_at", sa.DateTime(timezone=True), nullable=True))
