"""What a refund takes back, pro rata and never more than was granted."""

from datetime import datetime

from sqlalchemy import func, update
from sqlmodel import col, select

from core import events
from core.access import RULE
from core.clock import day_number, now
from core.db import session, update_one
from core.money import POINTS, Money, proportion
from hub import actions
from referrals.conversions import Conversion, Refund
from rewards import ledger
from rewards.asking import APPROVE, APPROVE_SECOND, ask_first
from rewards.ledger import Entry, Movement
from rewards.reward import (
    UNDECIDED,
    Reward,
    RewardReversal,
    RewardReversed,
    book,
    content_hash,
    rewards_of_conversion,
)


def reverse_for_refund(refund_id: str) -> list[Reward]:
    """Take back, for every reward of the refunded sale, what was earned on the refunded part.

    Pro rata at the original rate; several refunds are rounded cumulatively, so together they take back at most the
    reward. Undecided rewards shrink and need a fresh look; decided ones get a negative line. Again: nothing. A milestone
    is no part of a sale: rewards/fallen.py.
    """
    refund = session().get_one(Refund, refund_id)
    if refund.state != "applied" or refund.conversion_id is None:  # parked or refused
        return []
    conversion = session().get_one(Conversion, refund.conversion_id)
    whole = [each for each in rewards_of_conversion(conversion.id) if each.parent_id is None]
    earned = [each for each in whole if not each.for_milestone]
    return [each for each in earned if _reverse(each, refund, conversion)]


def _reverse(reward: Reward, refund: Refund, conversion: Conversion) -> bool:
    lock(reward)
    held_against = select(RewardReversal.refund_id).where(RewardReversal.reward_id == reward.id)
    known = list(session().exec(held_against).all())
    if refund.id in known or conversion.amount_minor <= 0:
        return False
    before = session().exec(
        select(func.coalesce(func.sum(Refund.amount_minor), 0)).where(
            col(Refund.id).in_(known), Refund.state == "applied"
        )
    )
    refunded = min(int(before.one()) + refund.amount_minor, conversion.amount_minor)
    goal = proportion(reward.granted_minor, refunded, conversion.amount_minor)
    taken = Money(max(0, goal - reward.reversed_minor), reward.currency)
    if reward.state in {"denied", "reversed"}:
        taken = Money(0, reward.currency)
    says = _why_taken(taken, refund, conversion)
    reversal = RewardReversal(
        reward_id=reward.id,
        refund_id=refund.id,
        amount_minor=taken.amount_minor,
        arithmetic=says,
        at=now(),
    )
    session().add(reversal)
    if taken.amount_minor:
        _take_back(reward, taken, refund, says)
        events.publish(RewardReversed(reversal.id))
    session().flush()
    return taken.amount_minor > 0


def lock(reward: Reward) -> None:
    """Hold the row until the end of the transaction, and see it as it is now."""
    same = update(Reward).where(col(Reward.id) == reward.id).values(reversed_minor=Reward.reversed_minor)
    update_one(same.execution_options(synchronize_session=False))
    session().refresh(reward)


def _why_taken(taken: Money, refund: Refund, conversion: Conversion) -> str:
    given_back = Money(refund.amount_minor, conversion.currency).format()
    whole = Money(conversion.amount_minor, conversion.currency).format()
    return f"{given_back} of {whole} was refunded: {taken.format()} taken back"


def _take_back(reward: Reward, taken: Money, refund: Refund, says: str) -> None:
    reward.reversed_minor += taken.amount_minor
    if reward.state in UNDECIDED:
        _shrink(reward, taken, refund, says)
    else:
        session().flush()
        key = f"refund:{refund.id}:{reward.id}"
        base, at = -refund.amount_minor, refund.occurred_at
        book(negative_line(reward, taken, grant_key=key, says=says, occurred_at=at, base_minor=base))


def _shrink(reward: Reward, taken: Money, refund: Refund, says: str) -> None:
    """Less will be approved; an approval given for the old content is void."""
    reward.amount_minor -= taken.amount_minor
    reward.arithmetic = f"{reward.arithmetic}; {says}"
    reward.approved_by = reward.approved_at = None
    reward.content_hash = content_hash(reward)
    actions.finish(APPROVE_SECOND, [reward.id], by=RULE)
    if reward.amount_minor == 0:
        reward.state = "reversed"
        actions.finish(APPROVE, [reward.id], by=RULE)
    elif reward.state == "approvable":
        ask_first(reward)
    session().add(reward)
    session().flush()
    pending, expense = ledger.pending(reward.membership_id), ledger.expense(reward.programme_id)
    move = Movement(pending, expense, taken.amount_minor, taken.currency)
    reduced = f"reduce:{reward.id}:{refund.id}"
    ledger.post(Entry(reduced, "reward.reduced", reward.id, (move,), occurred_at=refund.occurred_at))


def negative_line(
    reward: Reward, taken: Money, *, grant_key: str, says: str, occurred_at: datetime, base_minor: int
) -> Reward:
    """A line that takes back from a decided reward: the next payouts offset it; points go back at once."""
    in_points = reward.currency == POINTS
    return Reward(
        grant_key=grant_key,
        membership_id=reward.membership_id,
        programme_id=reward.programme_id,
        unit_id=reward.unit_id,
        kind="clawback",
        conversion_id=reward.conversion_id,
        activity_id=reward.activity_id,
        parent_id=reward.id,
        rule_id=reward.rule_id,
        rule_version=reward.rule_version,
        base_minor=base_minor,
        rate_basis_points=reward.rate_basis_points,
        currency=reward.currency,
        granted_minor=-taken.amount_minor,
        amount_minor=-taken.amount_minor,
        arithmetic=says,
        state="credited" if in_points else "approved",
        approved_by=None if in_points else RULE.id,
        approved_at=None if in_points else now(),
        payable_at=None if in_points else now(),
        occurred_at=occurred_at,
        day=day_number(occurred_at),
        made_at=now(),
    )
