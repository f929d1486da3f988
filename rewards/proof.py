"""The proof that money is right: the journal equals its cache, and every reward and payout agrees with its postings."""

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from core.db import session
from core.money import POINTS
from rewards import ledger, perk_orders
from rewards.fallen import FALLEN_LINE
from rewards.reviews import HeldReward
from rewards.reward import UNDECIDED, Reward, RewardReversal
from rewards.runs import GONE, OWED, Payout
from rewards.withdrawals import ACTIVITY_BACK, RewardWithdrawal

Place = tuple[str, str]


def problems() -> list[str]:
    """Everything that does not add up, as sentences; none is the proof (`bin/spokes check`)."""
    return (
        ledger.problems()
        + _accounts_disagree()
        + _payouts_disagree()
        + _lines_disagree()
        + _reviews_disagree()
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
    """A line's amount and the negative lines below it are what was granted less what was taken back."""
    child, taken = (
        aliased(Reward),
        func.coalesce(func.sum(col(RewardReversal.amount_minor) - col(RewardReversal.restored_minor)), 0),
    )
    below = select(func.coalesce(func.sum(col(child.amount_minor)), 0)).where(
        col(child.parent_id) == col(Reward.id)
    )
    back = select(taken).where(col(RewardReversal.reward_id) == col(Reward.id)).scalar_subquery()
    withdrawn = func.coalesce(func.sum(col(RewardWithdrawal.amount_minor)), 0)
    lost = select(withdrawn).where(col(RewardWithdrawal.reward_id) == col(Reward.id)).scalar_subquery()
    # What an activity or a milestone earned goes back whole, and that line is the only note of it.
    whole = or_(*(col(child.grant_key).startswith(each) for each in (ACTIVITY_BACK, FALLEN_LINE)))
    gone = -below.where(whole).scalar_subquery()
    rest = col(Reward.granted_minor) - col(Reward.reversed_minor)
    loose = select(col(Reward.id)).where(
        (col(Reward.amount_minor) + below.scalar_subquery() != rest)
        | (back + lost + gone != col(Reward.reversed_minor))
        | (col(Reward.state).in_(("in_payout", "paid")) & col(Reward.payout_id).is_(None))
        | ((col(Reward.currency) == POINTS) & (col(Reward.state) != "credited"))
    )
    return [f"reward {each}: its parts disagree" for each in session().execute(loose).scalars()]


def _reviews_disagree() -> list[str]:
    """What a review holds is held."""
    holding = select(col(HeldReward.reward_id))
    loose = select(col(Reward.id)).where(col(Reward.id).in_(holding), col(Reward.state) != "held")
    return [
        f"reward {each}: a review holds it, and it is not held" for each in session().execute(loose).scalars()
    ]
