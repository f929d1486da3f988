"""A refund came back: it failed, was taken back, or its dispute was won after it was lost. What it took from rewards is given again, opposite.

What was taken by a line of its own comes back by one, approved by the same rule; what an undecided reward shrank by grows
again and is looked at anew; what shrank and was approved since comes back as a line to approve.
"""

from sqlmodel import col, select

from core.access import RULE
from core.clock import now
from core.db import session
from core.money import Money
from hub import actions
from referrals.conversions.conversions import Conversion, Refund, candidates_of
from rewards.approvals import holds
from rewards.approvals.asking import APPROVE_SECOND, ask_first
from rewards.ledger import ledger
from rewards.ledger.ledger import Entry, Movement
from rewards.reward import (
    UNDECIDED,
    Reward,
    RewardReversal,
    content_hash,
    get_reward,
    rewards_of_conversion,
)
from rewards.taking_back import open_questions, write_offs
from rewards.taking_back.below import DEAD, add_below
from rewards.taking_back.reversals import lock


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
    if reward.state in DEAD and not _was_used_up(reward):
        return None
    line = session().exec(select(Reward).where(Reward.grant_key == f"refund:{refund.id}:{reward.id}")).first()
    forgiven = line is not None and line.state == "reversed"  # written off: that was given already
    by_line = 0 if line is None else -line.amount_minor
    rest = reversal.amount_minor - by_line
    given = rest if forgiven else reversal.amount_minor
    if not given or not _is_theirs(reward):
        return None
    reversal.restored_minor = given
    reward.reversed_minor -= given
    session().add_all((reversal, reward))
    session().flush()
    if line is not None and not forgiven:
        write_offs.end(line, by=RULE)
        key, says = f"restored:{refund.id}:{reward.id}", _says(Money(by_line, reward.currency), refund)
        add_below(reward, by_line, grant_key=key, says=says, base_minor=refund.amount_minor)
    if rest:
        _give_open(reward, Money(rest, reward.currency), refund)
    open_questions.hold_again(str(reward.conversion_id))
    return reward


def _says(given: Money, refund: Refund) -> str:
    what = "the dispute was won after all" if refund.by_dispute else "the refund came back"
    return f"{what}: {given.format()} given again"


def _was_used_up(reward: Reward) -> bool:
    """Whether nothing was left of it before anybody approved it."""
    return reward.state == "reversed" and not reward.amount_minor


def _give_open(reward: Reward, given: Money, refund: Refund) -> None:
    """What was taken before anybody decided about it waits for a decision again."""
    if reward.state in UNDECIDED or _was_used_up(reward):
        _grow(reward, given, refund, _says(given, refund))
    else:
        key = f"restored-open:{refund.id}:{reward.id}"
        line = add_below(
            reward, given.amount_minor, grant_key=key, says=_says(given, refund), base_minor=refund.amount_minor, to_approve=True
        )  # fmt: skip
        if line.state == "approvable":
            ask_first(line)


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
        words = list(holds.why_held(reward).values())
        reward.state = "held" if words else "pending" if held else "approvable"
        reward.state_reason = words[-1] if words else ""
    session().add(reward)
    session().flush()
    if reward.state == "approvable":
        ask_first(reward)
    expense, pending = ledger.expense(reward.programme_id), ledger.pending(reward.membership_id)
    move = Movement(expense, pending, given.amount_minor, given.currency)
    ledger.post(Entry(f"restore:{reward.id}:{refund.id}", "reward.restored", reward.id, (move,)))
