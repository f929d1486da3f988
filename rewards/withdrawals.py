"""A conversion went to somebody else: whoever had it loses its rewards by opposite lines, whoever has it now is granted them."""

from datetime import datetime

from sqlalchemy import Text, UniqueConstraint
from sqlmodel import Field, SQLModel, select

from core.access import RULE
from core.clock import now
from core.columns import key, minor, moment
from core.db import session
from core.money import Money
from referrals.reassignment import get_reassignment
from referrals.refunds import refunds_of
from rewards import changes, grants, ledger, reviews
from rewards.reversals import lock, negative_line, reverse_for_refund
from rewards.reward import UNDECIDED, Reward, book, rewards_of_conversion


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
            _take(reward, reassignment_id, went.why)
    if went.to_membership_id is not None:
        grants.grant_again(went.conversion_id, reassignment_id)
        for refund in refunds_of(went.conversion_id):
            reverse_for_refund(refund.id)


def _take(reward: Reward, reassignment_id: str, why: str) -> None:
    lock(reward)
    reviews.forget(reward)
    if reward.state in {"denied", "reversed"} or _taken(reward.id, reassignment_id):
        return
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
        return
    _claw_back(reward, reassignment_id, why)


def _taken(reward_id: str, reassignment_id: str) -> bool:
    known = select(RewardWithdrawal.id).where(
        RewardWithdrawal.reward_id == reward_id, RewardWithdrawal.reassignment_id == reassignment_id
    )
    return session().exec(known).first() is not None


def _claw_back(reward: Reward, reassignment_id: str, why: str) -> None:
    """A negative line over what is left of it: points at once, money by the next payouts."""
    rest = Money(reward.granted_minor - reward.reversed_minor, reward.currency)
    if not rest.amount_minor:
        return
    reward.reversed_minor += rest.amount_minor
    taken = RewardWithdrawal(
        reward_id=reward.id, reassignment_id=reassignment_id, amount_minor=rest.amount_minor, at=now()
    )
    session().add(taken)
    session().add(reward)
    session().flush()
    book(
        negative_line(
            reward,
            rest,
            grant_key=f"reassigned:{reassignment_id}:{reward.id}",
            says=f"{rest.format()} taken back: {why}",
            occurred_at=now(),
            base_minor=-reward.base_minor,
        )
    )
