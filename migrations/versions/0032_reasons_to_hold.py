"""Each reason for which a reward is held has a row: it goes on when none is left."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

DISPUTED = "The payment is disputed at the bank%"
"""how the sentence of a dispute began"""


def upgrade() -> None:
    hold = op.create_table(
        "reward_hold",
        sa.Column("reward_id", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("why IN ('person', 'review', 'dispute')", name=op.f("ck_reward_hold_why")),
        sa.ForeignKeyConstraint(["reward_id"], ["reward.id"], name=op.f("fk_reward_hold_reward_id_reward")),
        sa.PrimaryKeyConstraint("reward_id", "why", name=op.f("pk_reward_hold")),
    )
    reward = sa.table("reward", *map(sa.column, ("id", "state", "state_reason", "made_at")))
    held = sa.table("held_reward", *map(sa.column, ("reward_id", "held_at", "reason_before")))
    columns = ["reward_id", "why", "words", "held_at"]
    of_reviews = sa.select(held.c.reward_id, sa.literal("review"), reward.c.state_reason, held.c.held_at)
    of_reviews = of_reviews.join(reward, reward.c.id == held.c.reward_id)
    op.execute(sa.insert(hold).from_select(columns, of_reviews))
    before = sa.select(held.c.reward_id, held.c.reason_before, held.c.held_at).where(
        held.c.reason_before != ""
    )
    others = sa.select(reward.c.id, reward.c.state_reason, reward.c.made_at).where(
        reward.c.state == "held", reward.c.id.not_in(sa.select(held.c.reward_id))
    )
    for rows in (before.subquery(), others.subquery()):
        reward_id, words, at = rows.c
        why = sa.case((words.like(DISPUTED), "dispute"), else_="person")
        op.execute(sa.insert(hold).from_select(columns, sa.select(reward_id, why, words, at)))
    op.drop_table("held_reward")
