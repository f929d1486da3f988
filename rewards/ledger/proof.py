"""The proof that money is right: the journal equals its cache, and every reward and payout agrees with its postings."""

from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from core.db import session
from core.money import POINTS
from rewards.approvals.holds import RewardHold
from rewards.ledger import ledger
from rewards.payouts.runs import GONE, OWED, Payout
from rewards.perks import perk_orders
from rewards.reward import UNDECIDED, Reward, RewardReversal
from rewards.taking_back.below import DEAD
from rewards.taking_back.fallen import FALLEN_LINE
from rewards.taking_back.withdrawals import ACTIVITY_BACK, RewardWithdrawal

Place = tuple[str, str]


def problems() -> list[str]:
    """Everything that does not add up, as sentences; none is the proof (`bin/spokes check`)."""
    return (
        ledger.problems() + _accounts_disagree() + _payouts_disagree() + _lines_disagree() + _holds_disagree()
    )


def _accounts_disagree() -> list[str]:
    expected: dict[Place, int] = {}
    _add(expected, "pending", col(Reward.state).in_(UNDECIDED))
    _add(expected, "payable", col(Reward.state) == "approved")
    _add(expected, "points", col(Reward.state) == "credited")
    for member, amount in perk_orders.spent_by().items():
        place = ledger.points(member), POINTS
        expected[place] = expected.get(place, 0) - amount
    owed = select(col(Payout.membership_id), col(Payout.currency), func.sum(col(Payout.amount_minor)))
    owed = owed.where(col(Payout.state).in_(OWED)).group_by(col(Payout.membership_id), col(Payout.currency))
    for member, currency, amount in session().execute(owed):
        expected[ledger.reserved(member), currency] = int(amount)
    gone = select(col(Payout.provider), col(Payout.currency), func.sum(col(Payout.amount_minor)))
    gone = gone.where(col(Payout.state).in_(GONE)).group_by(col(Payout.provider), col(Payout.currency))
    for provider, currency, amount in session().execute(gone):
        expected[ledger.LEFT[provider], currency] = int(amount)
    held = {
        place: amount
        for place, amount in ledger.journal_balances().items()
        if place[0].startswith("advocate:") or place[0] in ledger.LEFT.values()
    }
    return [
        f"account {account} in {currency}: rewards and payouts say {expected.get((account, currency), 0)}, "
        f"the ledger {held.get((account, currency), 0)}"
        for account, currency in sorted(expected.keys() | held.keys())
        if expected.get((account, currency), 0) != held.get((account, currency), 0)
    ]


def _add(expected: dict[Place, int], account: str, which: ColumnElement[bool]) -> None:
    total = select(col(Reward.membership_id), col(Reward.currency), func.sum(col(Reward.amount_minor)))
    grouped = total.where(which).group_by(col(Reward.membership_id), col(Reward.currency))
    for member, currency, amount in session().execute(grouped):
        expected[f"advocate:{member}:{account}", currency] = int(amount)


def _payouts_disagree() -> list[str]:
    lines = select(col(Reward.payout_id), func.sum(col(Reward.amount_minor)))
    in_payouts = lines.where(col(Reward.payout_id).is_not(None)).group_by(col(Reward.payout_id))
    summed = {payout_id: int(amount) for payout_id, amount in session().execute(in_payouts)}
    found = []
    for payout_id, amount, state in session().execute(
        select(col(Payout.id), col(Payout.amount_minor), col(Payout.state))
    ):
        expected = 0 if state == "taken_back" else amount
        if summed.get(payout_id, 0) != expected:
            found.append(
                f"payout {payout_id} ({state}) is {amount}, its lines are {summed.get(payout_id, 0)}"
            )
    return found


def _lines_disagree() -> list[str]:
    """A line's amount and the lines below it are what was granted less what was taken back; see rewards/taking_back/below.py.

    Of what stands for nothing any more the lines below sum to nothing, and nobody owes more on a reward than they got.
    """
    child = aliased(Reward)
    every = select(func.coalesce(func.sum(col(child.amount_minor)), 0)).where(
        col(child.parent_id) == col(Reward.id)
    )
    below, live = every.scalar_subquery(), every.where(col(child.state).not_in(DEAD)).scalar_subquery()
    back = _sum_of(RewardReversal, col(RewardReversal.amount_minor) - col(RewardReversal.restored_minor))
    lost = _sum_of(RewardWithdrawal, col(RewardWithdrawal.amount_minor))
    # What an activity or a milestone earned goes back whole, and that line is the only note of it.
    whole = or_(*(col(child.grant_key).startswith(each) for each in (ACTIVITY_BACK, FALLEN_LINE)))
    gone = -every.where(whole).scalar_subquery()
    rest, gives = col(Reward.granted_minor) - col(Reward.reversed_minor), col(Reward.parent_id).is_(None)
    is_dead = (col(Reward.state) == "denied") | (
        (col(Reward.state) == "reversed") & (col(Reward.amount_minor) > 0)
    )
    loose = select(col(Reward.id)).where(
        (~is_dead & (col(Reward.amount_minor) + below != rest))
        | (gives & is_dead & (live != 0))
        | (gives & ~is_dead & (col(Reward.granted_minor) > 0) & (col(Reward.amount_minor) + live < 0))
        | (gives & (back + lost + gone != col(Reward.reversed_minor)))
        | (col(Reward.state).in_(("in_payout", "paid")) & col(Reward.payout_id).is_(None))
        | ((col(Reward.currency) == POINTS) & (col(Reward.state) != "credited"))
    )
    return [f"reward {each}: its parts disagree" for each in session().execute(loose).scalars()]


def _sum_of(notes: type[RewardReversal | RewardWithdrawal], amount: Any) -> ColumnElement[int]:  # noqa: ANN401 - a column of a SELECT
    summed = select(func.coalesce(func.sum(amount), 0)).where(col(notes.reward_id) == col(Reward.id))
    return summed.scalar_subquery()


def _holds_disagree() -> list[str]:
    """What is held has a reason, and what has one is held, or nothing is left of it."""
    holding = select(col(RewardHold.reward_id))
    used_up = (col(Reward.state) == "reversed") & (col(Reward.amount_minor) == 0)
    waits = (col(Reward.state) == "held") | used_up
    loose = select(col(Reward.id)).where(
        (col(Reward.id).in_(holding) & ~waits)
        | (~col(Reward.id).in_(holding) & (col(Reward.state) == "held"))
    )
    return [
        f"reward {each}: whether it is held, and why, disagree" for each in session().execute(loose).scalars()
    ]
