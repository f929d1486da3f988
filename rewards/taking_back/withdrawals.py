"""A conversion went to somebody else, or an activity was taken back: what it earned goes back by opposite lines.

Whoever has the conversion now is granted its rewards.
"""

from datetime import datetime

from sqlalchemy import Text, UniqueConstraint
from sqlmodel import Field, SQLModel, select

from advocates.activities import get_activity
from core.clock import now
from core.columns import key, minor, moment
from core.db import session
from referrals.conversions.reassignment import get_reassignment
from referrals.conversions.refunds import refunds_of
from rewards import grants
from rewards.approvals import holds
from rewards.reward import Reward, rewards_of_activity, rewards_of_conversion
from rewards.taking_back import fallen, open_questions
from rewards.taking_back.reversals import lock, reverse_for_refund
from rewards.taking_back.taking_back import take_back

ACTIVITY_BACK = "activity-back:"
"""how the grant key of a line begins that takes back what an activity earned"""


class RewardWithdrawal(SQLModel, table=True):
    """A reassignment took the rest of a reward back, once."""

    __tablename__ = "reward_withdrawal"
    __table_args__ = (UniqueConstraint("reward_id", "reassignment_id"),)

    id: str = key()
    reward_id: str = Field(foreign_key="reward.id", sa_type=Text)
    reassignment_id: str = Field(foreign_key="reassignment.id", index=True, sa_type=Text)
    amount_minor: int = minor()
    at: datetime = moment(now)


def follow(reassignment_id: str) -> None:
    """Reaction: take back from all who lost the conversion, grant to whoever has it, less what refunds took.

    A milestone that is reached without it stays, also one that its review held.
    """
    went = get_reassignment(reassignment_id)
    fallen.take_back_fallen(went.conversion_id, why=went.why)
    for reward in rewards_of_conversion(went.conversion_id):
        if reward.for_milestone:
            holds.let_go(reward, "review")
        elif reward.parent_id is None:
            _take_for(reward, reassignment_id, went.why)
    if went.to_membership_id is not None:
        grants.grant_again(went.conversion_id, reassignment_id)
        for refund in refunds_of(went.conversion_id):
            reverse_for_refund(refund.id)
        open_questions.hold_again(went.conversion_id)


def take_back_of_activity(activity_id: str) -> None:
    """Reaction: an accepted activity was taken back, and so is what it earned; again: nothing."""
    why = get_activity(activity_id).reason
    for reward in rewards_of_activity(activity_id):
        take_back(reward, f"{ACTIVITY_BACK}{reward.id}", why)


def _take_for(reward: Reward, reassignment_id: str, why: str) -> None:
    lock(reward)
    if not _taken(reward.id, reassignment_id):
        taken = take_back(reward, f"reassigned:{reassignment_id}:{reward.id}", why)
        if taken:
            session().add(
                RewardWithdrawal(
                    reward_id=reward.id, reassignment_id=reassignment_id, amount_minor=taken, at=now()
                )
            )
            session().flush()


def _taken(reward_id: str, reassignment_id: str) -> bool:
    known = select(RewardWithdrawal.id).where(
        RewardWithdrawal.reward_id == reward_id, RewardWithdrawal.reassignment_id == reassignment_id
    )
    return session().exec(known).first() is not None
