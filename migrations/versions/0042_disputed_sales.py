"""Which sales have an open dispute: what they earn later is held, too."""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "disputed_sale",
        sa.Column("conversion_id", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversion_id"], ["conversion.id"], name=op.f("fk_disputed_sale_conversion_id_conversion")
        ),
        sa.PrimaryKeyConstraint("conversion_id", name=op.f("pk_disputed_sale")),
    )
    op.execute(
        "INSERT INTO disputed_sale (conversion_id, words) "
        "SELECT reward.conversion_id, min(reward_hold.words) FROM reward_hold JOIN reward ON reward.id = reward_hold.reward_id "
        "WHERE reward_hold.why = 'dispute' AND reward.conversion_id IS NOT NULL GROUP BY reward.conversion_id"
    )
