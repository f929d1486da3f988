"""What a refund takes back, pro rata and never more than was granted."""

from sqlalchemy import func, update
from sqlmodel import col, select

from core import events
from core.access import RULE
from core.clock import now
from core.db import session, update_one
from core.money import Money, proportion
from hub import actions
from referrals.conversions.conversions import Conversion, Refund
from rewards.approvals.asking import APPROVE, APPROVE_SECOND, ask_first
from rewards.ledger import ledger
from rewards.ledger.ledger import Entry, Movement
from rewards.reward import (
    UNDECIDED,
    Reward,
    RewardReversal,
    RewardReversed,
    content_hash,
    get_reward,
    rewards_of_conversion,
)
from rewards.taking_back.below import DEAD, add_below, open_below, worth


def reverse_for_refund(refund_id: str) -> list[Reward]:
    """Take back, for every reward of the refunded sale, what was earned on the refunded part.

    Pro rata at the original rate; several refunds are rounded cumulatively, so together they take back at most the
    reward. Undecided rewards shrink and need a fresh look; decided ones get a negative line. Again: nothing. A milestone
    is no part of a sale: rewards/taking_back/fallen.py.
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
    taken = Money(_takeable(reward, goal - reward.reversed_minor), reward.currency)
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


def _takeable(reward: Reward, wanted_minor: int) -> int:
    """Never more than there is: what a person denied or kept of it was not given."""
    return 0 if reward.state in DEAD else max(0, min(wanted_minor, worth(reward)))


def lock(reward: Reward) -> None:
    """Hold the row, and those of the lines below it, until the end of the transaction, and see them as they are now."""
    same = update(Reward).where(col(Reward.id) == reward.id).values(reversed_minor=Reward.reversed_minor)
    update_one(same.execution_options(synchronize_session=False))
    session().refresh(reward)
    below = select(Reward).where(Reward.parent_id == reward.id).order_by(col(Reward.id))
    session().exec(below.with_for_update().execution_options(populate_existing=True)).all()


def _why_taken(taken: Money, refund: Refund, conversion: Conversion) -> str:
    given_back = Money(refund.amount_minor, conversion.currency).format()
    whole = Money(conversion.amount_minor, conversion.currency).format()
    how = "was taken back by the buyer's bank" if refund.by_dispute else "was refunded"
    return f"{given_back} of {whole} {how}: {taken.format()} taken back"


def may_stand_again(line: Reward) -> bool:
    """Whether a denied line that gave again could still be given: its reward stands, and no refund took more since."""
    reward = get_reward(line.parent_id or "")
    if reward.state in DEAD or line.conversion_id is None:
        return False
    sale = session().get_one(Conversion, line.conversion_id)
    due = reward.granted_minor - proportion(reward.granted_minor, sale.refunded_minor, sale.amount_minor)
    return sale.membership_id == reward.membership_id and worth(reward) + line.amount_minor <= due


def _take_back(reward: Reward, taken: Money, refund: Refund, says: str) -> None:
    """First from what is not decided, then by a line that takes from what is."""
    reward.reversed_minor += taken.amount_minor
    left = taken.amount_minor
    for line in (*open_below(reward), *([reward] if reward.state in UNDECIDED else [])):
        part = min(left, line.amount_minor)
        if part:
            _shrink(line, Money(part, reward.currency), refund, says)
        left -= part
    if left:
        key, at = f"refund:{refund.id}:{reward.id}", refund.occurred_at
        add_below(reward, -left, grant_key=key, says=says, occurred_at=at, base_minor=-refund.amount_minor)


def _shrink(reward: Reward, taken: Money, refund: Refund, says: str) -> None:
    """Less will be approved; an approval given for the old content is void. What holds it is kept, should it grow again."""
    reward.amount_minor -= taken.amount_minor
    if reward.parent_id is not None:
        reward.reversed_minor += taken.amount_minor
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
