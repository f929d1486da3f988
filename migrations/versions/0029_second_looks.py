"""Second looks at rewards that no conversion is behind."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reward_appeal",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("reward_id", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("filed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('open', 'granted', 'rejected')", name=op.f("ck_reward_appeal_state")),
        sa.ForeignKeyConstraint(["reward_id"], ["reward.id"], name=op.f("fk_reward_appeal_reward_id_reward")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reward_appeal")),
        sa.UniqueConstraint("reward_id", name=op.f("uq_reward_appeal_reward_id")),
    )
