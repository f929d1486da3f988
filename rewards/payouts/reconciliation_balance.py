"""The comparison with Stripe's balance: what our transfers and their reversals moved in it, against the ledger.

A balance as such cannot be compared: sales, refunds, fees and withdrawals move it as well. What each transfer of ours took from
it, less what came back, can: it has to be what the ledger says of its payout.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

from sqlalchemy import case, func, or_, select
from sqlmodel import col

from core.db import session
from rewards.ledger import ledger
from rewards.ledger.ledger import LedgerTransaction, Posting
from rewards.payouts.runs import GONE, OWED, Payout
from rewards.stripe.stripe_balance import Moved
from rewards.stripe.stripe_gateway import Transfer
from rewards.stripe.stripe_units import minor_of

Left: TypeAlias = Counter[tuple[str, str]]
"""(payout, currency) → what has left, in our minor units"""
EARLIER = timedelta(days=2)
"""so much before a span what was sent in it may be booked: an attempt's moment is older than its transfer"""


def left_by_balance(transfers: Iterable[Transfer], moves: Iterable[Moved]) -> Left:
    """What Stripe's balance says has left for our payouts; what was moved for others does not count."""
    payout_of = {each.transfer_id: each.payout_id for each in transfers}
    left: Left = Counter()
    for each in moves:
        if each.transfer_id in payout_of:
            left[payout_of[each.transfer_id], each.currency] -= minor_of(each.amount, each.currency)
    return left


def left_by_ledger(payouts: Sequence[Payout], since: datetime) -> Left:
    """What the ledger says has left for these payouts; what came back has, although finance has not decided about it yet."""
    booked = _booked(since - EARLIER)
    left: Left = Counter()
    for each in payouts:
        left[each.id, each.currency] += booked.get((each.id, each.currency), 0)
        back = each.amount if each.state == "reversed" else each.part_back
        if each.state in GONE:
            left[each.id, each.currency] -= back.amount_minor
    return left


def _booked(since: datetime) -> Mapping[tuple[str, str], int]:
    out, back = col(Posting.destination) == ledger.STRIPE, col(Posting.source) == ledger.STRIPE
    amount = case((out, col(Posting.amount_minor)), else_=-col(Posting.amount_minor))
    moved = (
        select(col(LedgerTransaction.subject), col(Posting.currency), func.sum(amount))
        .join(Posting, col(Posting.transaction_id) == col(LedgerTransaction.id))
        .where(or_(out, back), col(LedgerTransaction.occurred_at) >= since)
        .group_by(col(LedgerTransaction.subject), col(Posting.currency))
    )
    return {(subject, currency): int(sum_) for subject, currency, sum_ in session().execute(moved)}


def differences(ours: Left, theirs: Left) -> list[tuple[str, str]]:
    """The payouts, and in which currency, of which the two say another sum."""
    return sorted(place for place in ours.keys() | theirs.keys() if ours[place] != theirs[place])


def by_currency(left: Left) -> Counter[str]:
    """Currency → what has left."""
    sums = Counter[str]()
    for (_payout, currency), amount in left.items():
        sums[currency] += amount
    return sums


def waiting() -> dict[str, int]:
    """Currency → what is reserved to be sent through Stripe."""
    owed = select(col(Payout.currency), func.sum(col(Payout.amount_minor))).where(
        col(Payout.provider) == "stripe", col(Payout.state).in_(OWED)
    )
    return {currency: int(sum_) for currency, sum_ in session().execute(owed.group_by(col(Payout.currency)))}
