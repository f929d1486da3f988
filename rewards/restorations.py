"""A refund came back: it failed, or its dispute was won after it was lost. What it took from rewards is given again, opposite.

What was taken by a line of its own comes back by one, approved by the same rule; what an undecided reward shrank by grows
again and is looked at anew; what shrank and was approved since comes back as a line to approve.
"""

from sqlmodel import col, select

from core.access import RULE
from core.clock import day_number, now
from core.db import session
from core.money import POINTS, Money
from hub import actions
from referrals.conversions import Conversion, Refund, candidates_of
from rewards import ledger
from rewards.asking import APPROVE_SECOND, ask_first
from rewards.ledger import Entry, Movement
from rewards.reversals import lock
from rewards.reward import (
    UNDECIDED,
    Reward,
    RewardReversal,
    book,
    content_hash,
    get_reward,
    rewards_of_conversion,
)


def restore_for_refund(refund_id: str) -> list[Reward]:
    """Give again what a refund that came back took; answers the rewards that it concerns. Again: nothing."""
    refund = session().get_one(Refund, refund_id)
    taken = select(RewardReversal).where(
        RewardReversal.refund_id == refund_id,
        RewardReversal.amount_minor > 0,
        RewardReversal.restored_minor == 0,
    )
    rows = session().exec(taken.order_by(col(RewardReversal.id))).all()
    return [reward for each in rows if (reward := _restore(each, refund)) is not None]


def _restore(reversal: RewardReversal, refund: Refund) -> Reward | None:
    reward = get_reward(reversal.reward_id)
    lock(reward)
    given = Money(reversal.amount_minor, reward.currency)
    says = f"the refund came back: {given.format()} given again"
    line = session().exec(select(Reward).where(Reward.grant_key == f"refund:{refund.id}:{reward.id}")).first()
    if not _is_theirs(reward) or (line is None and reward.state == "denied"):
        return None
    if line is not None and line.state == "reversed":  # written off: it was given already
        return None
    reversal.restored_minor = given.amount_minor
    reward.reversed_minor -= given.amount_minor
    session().add_all((reversal, reward))
    session().flush()
    if line is not None:
        book(_line(reward, given, refund, says, approved=True))
    elif reward.state in UNDECIDED or (reward.state == "reversed" and reward.approved_by is None):
        _grow(reward, given, refund, says)
    else:
        ask_first(book(_line(reward, given, refund, says, approved=False)))
    return reward


def _is_theirs(reward: Reward) -> bool:
    """Whether the sale is theirs still, and earns by this reward: what went to somebody else, or to nobody, gives them nothing."""
    conversion = session().get_one(Conversion, reward.conversion_id)
    winners = {conversion.membership_id}
    if conversion.shared:
        winners = {each.membership_id for each in candidates_of([conversion.id])[conversion.id] if each.won}
    rivals = [
        each.id
        for each in rewards_of_conversion(conversion.id)
        if each.parent_id is None
        and each.for_milestone == reward.for_milestone
        and (each.membership_id, each.currency) == (reward.membership_id, reward.currency)
    ]
    return reward.membership_id in winners and reward.id == max(rivals)


def _grow(reward: Reward, given: Money, refund: Refund, says: str) -> None:
    """As it was before the refund, to be approved as it is now."""
    reward.amount_minor += given.amount_minor
    reward.arithmetic = f"{reward.arithmetic}; {says}"
    reward.approved_by = reward.approved_at = None
    reward.content_hash = content_hash(reward)
    actions.finish(APPROVE_SECOND, [reward.id], by=RULE)
    if reward.state == "reversed":
        held = reward.hold_until is not None and reward.hold_until > now()
        reward.state = "pending" if held else "approvable"
    session().add(reward)
    session().flush()
    if reward.state == "approvable":
        ask_first(reward)
    expense, pending = ledger.expense(reward.programme_id), ledger.pending(reward.membership_id)
    move = Movement(expense, pending, given.amount_minor, given.currency)
    ledger.post(Entry(f"restore:{reward.id}:{refund.id}", "reward.restored", reward.id, (move,)))


def _line(reward: Reward, given: Money, refund: Refund, says: str, *, approved: bool) -> Reward:
    """A line below the reward: points at once; money paid next, or once it is approved."""
    at, in_points = now(), reward.currency == POINTS
    by_rule = approved and not in_points
    return Reward(
        grant_key=f"restored:{refund.id}:{reward.id}",
        membership_id=reward.membership_id,
        programme_id=reward.programme_id,
        unit_id=reward.unit_id,
        kind="restored" if approved or in_points else "earned",
        conversion_id=reward.conversion_id,
        activity_id=reward.activity_id,
        parent_id=reward.id,
        rule_id=reward.rule_id,
        rule_version=reward.rule_version,
        base_minor=refund.amount_minor,
        rate_basis_points=reward.rate_basis_points,
        currency=reward.currency,
        granted_minor=given.amount_minor,
        amount_minor=given.amount_minor,
        arithmetic=says,
        state="credited" if in_points else "approved" if approved else "approvable",
        approved_by=RULE.id if by_rule else None,
        approved_at=at if by_rule else None,
        payable_at=at if by_rule else None,
        occurred_at=at,
        day=day_number(at),
        made_at=at,
    )
