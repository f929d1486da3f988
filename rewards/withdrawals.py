"""A conversion went to somebody else, or an activity was taken back: what it earned goes back by opposite lines.

Whoever has the conversion now is granted its rewards.
"""

from datetime import datetime

from sqlalchemy import Text, UniqueConstraint
from sqlmodel import Field, SQLModel, select

from advocates.activities import get_activity
from core.access import RULE
from core.clock import now
from core.columns import key, minor, moment
from core.db import session
from core.money import Money
from referrals.reassignment import get_reassignment
from referrals.refunds import refunds_of
from rewards import changes, grants, ledger, reviews
from rewards.reversals import lock, negative_line, reverse_for_refund
from rewards.reward import UNDECIDED, Reward, book, rewards_of_activity, rewards_of_conversion


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
    """Reaction: take back from all who lost the conversion, grant to whoever has it, less what refunds took."""
    went = get_reassignment(reassignment_id)
    for reward in rewards_of_conversion(went.conversion_id):
        if reward.parent_id is None:
            _take_for(reward, reassignment_id, went.why)
    if went.to_membership_id is not None:
        grants.grant_again(went.conversion_id, reassignment_id)
        for refund in refunds_of(went.conversion_id):
            reverse_for_refund(refund.id)


def take_back_of_activity(activity_id: str) -> None:
    """Reaction: an accepted activity was taken back, and so is what it earned; again: nothing."""
    why = get_activity(activity_id).reason
    for reward in rewards_of_activity(activity_id):
        _take(reward, f"activity-back:{reward.id}", why)


def _take_for(reward: Reward, reassignment_id: str, why: str) -> None:
    lock(reward)
    reviews.forget(reward)
    if not _taken(reward.id, reassignment_id):
        taken = _take(reward, f"reassigned:{reassignment_id}:{reward.id}", why)
        if taken:
            session().add(
                RewardWithdrawal(
                    reward_id=reward.id, reassignment_id=reassignment_id, amount_minor=taken, at=now()
                )
            )
            session().flush()


def _take(reward: Reward, key: str, why: str) -> int:
    """Deny what was not decided, and claw back what was; answers how much was clawed back."""
    lock(reward)
    if reward.state in {"denied", "reversed"}:
        return 0
    if reward.state in UNDECIDED:
        said = f"Not granted: {why.rstrip('.')}."
        changes.change(
            reward,
            state="denied",
            state_reason=said,
            round=reward.round + 1,
            approved_by=None,
            approved_at=None,
        )
        changes.off_the_list(reward, RULE)
        changes.note(reward, "reward.denied", RULE, reason=said)
        ledger.post(changes.denial(reward))
        return 0
    return _claw_back(reward, key, why)


def _taken(reward_id: str, reassignment_id: str) -> bool:
    known = select(RewardWithdrawal.id).where(
        RewardWithdrawal.reward_id == reward_id, RewardWithdrawal.reassignment_id == reassignment_id
    )
    return session().exec(known).first() is not None


def _claw_back(reward: Reward, key: str, why: str) -> int:
    """A negative line over what is left of it: points at once, money by the next payouts."""
    rest = Money(reward.granted_minor - reward.reversed_minor, reward.currency)
    if not rest.amount_minor:
        return 0
    reward.reversed_minor += rest.amount_minor
    session().add(reward)
    session().flush()
    book(
        negative_line(
            reward,
            rest,
            grant_key=key,
            says=f"{rest.format()} taken back: {why}",
            occurred_at=now(),
            base_minor=-reward.base_minor,
        )
    )
    return rest.amount_minor
