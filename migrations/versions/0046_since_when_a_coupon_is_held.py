"""Since when a link has its coupon, and had a former one; what was there before counts as held since ever."""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("link", sa.Column("coupon_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("former_coupon", sa.Column("since", sa.DateTime(timezone=True), nullable=True))
