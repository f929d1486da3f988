"""Statements: what changed in what an advocate is owed, line by line from the ledger, with the reason of each."""

from calendar import monthrange
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import func, select
from sqlmodel import col

from advocates.membership import Membership
from core.clock import now
from core.db import session
from core.errors import NotFound
from core.money import Money
from hub.programmes import Programme, get_programme
from referrals.conversions.conversion_rows import Conversion
from rewards.approvals import said
from rewards.ledger import ledger
from rewards.ledger.ledger import LedgerTransaction, Posting
from rewards.payouts.runs import GONE, Payout
from rewards.perks.perk_orders import PerkOrder
from rewards.reward import Reward

MOST_LINES = 10_000
"""of a month are told one by one; of what is beyond them the sum"""


class NoSuchMonth(NotFound):
    """There is no statement for this month."""


@dataclass(frozen=True)
class Balance:
    """Where an advocate's money stands in one currency."""

    pending: Money
    approved: Money
    """payable; negative when more was taken back than is owed"""
    on_its_way: Money
    paid: Money


@dataclass(frozen=True)
class Line:
    """One change: what was earned or taken back (`reward`), or what was paid (`payout`)."""

    at: datetime
    kind: str
    """the ledger's word: reward.granted, reward.reduced, reward.denied, reward.clawed_back, points.credited, payout.sent …;
    points that go back are points.taken_back, what they are spent on is points.spent, or points.returned"""
    amount: Money
    reward: Reward | None
    payout: Payout | None
    order: PerkOrder | None = None
    """what points were spent on"""
    sale: Conversion | None = None
    """what a reward is for, if it is for one"""
    why: str = ""
    """how the sum came about, as it was said then"""
    said: str = ""
    """what whoever denied it, kept it or wrote it off gave as the reason"""


@dataclass(frozen=True)
class Account:
    """A statement's part in one currency: `opening`, every line and `rest` are `closing`."""

    currency: str
    opening: Money
    lines: tuple[Line, ...]
    sums: Mapping[str, Money]
    """kind → the sum of all its changes, with those that no line tells"""
    left_out: int = 0
    """how many changes no line tells, because there are too many"""

    @property
    def closing(self) -> Money:
        """What is owed at the end."""
        return self.opening + self.total(*self.sums)

    @property
    def rest(self) -> Money:
        """The sum of what is left out."""
        told = Money(sum(each.amount.amount_minor for each in self.lines), self.currency)
        return self.total(*self.sums) - told

    def total(self, *kinds: str) -> Money:
        """The sum of the changes of these kinds."""
        of = (self.sums[each].amount_minor for each in kinds if each in self.sums)
        return Money(sum(of), self.currency)


@dataclass
class _Changes:
    """What changed in one currency in a span: the sum of each kind, and how many changes they were."""

    sums: Counter[str] = field(default_factory=Counter)
    times: int = 0


@dataclass(frozen=True)
class Statement:
    """Everything that changed in a month of the programme's time zone."""

    month: str
    begins_at: datetime
    ends_at: datetime
    accounts: tuple[Account, ...]

    @property
    def first(self) -> date:
        """The month's first day."""
        return first_day(self.month)


def balances_of(membership_id: str) -> list[Balance]:
    """Where the advocate's money stands, per currency; points are not money (`points_of`)."""
    held = ledger.balances(ledger.accounts_of(membership_id))
    held = {place: amount for place, amount in held.items() if place[0] != ledger.points(membership_id)}
    paid = _paid(membership_id)
    currencies = sorted({currency for _account, currency in held} | paid.keys())
    return [
        Balance(
            pending=Money(held.get((ledger.pending(membership_id), each), 0), each),
            approved=Money(held.get((ledger.payable(membership_id), each), 0), each),
            on_its_way=Money(held.get((ledger.reserved(membership_id), each), 0), each),
            paid=Money(paid.get(each, 0), each),
        )
        for each in currencies
    ]


def _paid(membership_id: str) -> dict[str, int]:
    total = select(col(Payout.currency), func.sum(col(Payout.amount_minor))).where(
        col(Payout.membership_id) == membership_id, col(Payout.state).in_(GONE)
    )
    return {
        currency: int(amount) for currency, amount in session().execute(total.group_by(col(Payout.currency)))
    }


def months_of(membership: Membership) -> list[str]:
    """The months (`2026-11`, in the programme's zone) since the advocate joined, the newest first."""
    zone = get_programme(membership.programme_id).zone
    month = now().astimezone(zone).date().replace(day=1)
    first = membership.joined_at.astimezone(zone).date().replace(day=1)
    months = []
    while month >= first:
        months.append(f"{month:%Y-%m}")
        month = (month - timedelta(days=1)).replace(day=1)
    return months


def first_day(month: str) -> date:
    """The first day of `2026-11`."""
    return date.fromisoformat(f"{month}-01")


def require_month(membership: Membership, month: str) -> None:
    """Refuse what is no month since the advocate joined; raises NoSuchMonth."""
    if month not in months_of(membership):
        raise NoSuchMonth


def span_of(programme: Programme, month: str) -> tuple[datetime, datetime]:
    """When a month begins and ends in the programme's zone; half-open."""
    first = first_day(month)
    after = first + timedelta(days=monthrange(first.year, first.month)[1])
    begins_at, ends_at = (
        datetime.combine(each, time.min, tzinfo=programme.zone).astimezone(UTC) for each in (first, after)
    )
    return begins_at, ends_at


def last_ended(programme: Programme, at: datetime) -> str:
    """The newest month that has ended at a moment, in the programme's zone."""
    return month_before(f"{at.astimezone(programme.zone):%Y-%m}")


def month_before(month: str) -> str:
    """`2026-12` before `2027-01`."""
    return f"{first_day(month) - timedelta(days=1):%Y-%m}"


def statement(membership: Membership, month: str) -> Statement:
    """The statement of a month; raises NoSuchMonth."""
    require_month(membership, month)
    begin, end = span_of(get_programme(membership.programme_id), month)
    before = {each: amount for each, amount in owed_before(membership.id, begin).items() if amount}
    lines = _lines(membership.id, begin, end)
    changes = _changes(membership.id, begin, end)  # after the lines: then it knows of every one of them
    currencies = sorted(before.keys() | changes.keys())
    accounts = (_account(each, before.get(each, 0), lines, changes.get(each)) for each in currencies)
    return Statement(month, begin, end, tuple(accounts))


def _account(currency: str, opening_minor: int, lines: Sequence[Line], changes: _Changes | None) -> Account:
    own, changed = tuple(each for each in lines if each.amount.currency == currency), changes or _Changes()
    sums = {kind: Money(amount, currency) for kind, amount in changed.sums.items()}
    return Account(currency, Money(opening_minor, currency), own, sums, changed.times - len(own))


def owed_before(membership_id: str, begin: datetime) -> dict[str, int]:
    """Currency → what an advocate was owed at a moment, paid or not."""
    mine, sums = ledger.accounts_of(membership_id), dict[str, int]()
    for side, sign in ((col(Posting.destination), 1), (col(Posting.source), -1)):
        total = (
            select(col(Posting.currency), func.sum(col(Posting.amount_minor)))
            .join(LedgerTransaction, col(LedgerTransaction.id) == col(Posting.transaction_id))
            .where(side.in_(mine), col(LedgerTransaction.posted_at) < begin)
            .group_by(col(Posting.currency))
        )
        for currency, amount in session().execute(total):
            sums[currency] = sums.get(currency, 0) + sign * int(amount)
    return sums


def _changes(membership_id: str, begin: datetime, end: datetime) -> dict[str, _Changes]:
    """Currency → everything that came in or went out, however much it was."""
    mine, found = ledger.accounts_of(membership_id), defaultdict[str, _Changes](_Changes)
    arrives, leaves = col(Posting.destination).in_(mine), col(Posting.source).in_(mine)
    kind, currency = col(LedgerTransaction.kind), col(Posting.currency)
    for back, side in ((False, arrives & ~leaves), (True, leaves & ~arrives)):
        total = (
            select(kind, currency, func.count(), func.sum(col(Posting.amount_minor)))
            .join(Posting, col(LedgerTransaction.id) == col(Posting.transaction_id))
            .where(side, col(LedgerTransaction.posted_at) >= begin, col(LedgerTransaction.posted_at) < end)
            .group_by(kind, currency)
        )
        for posted_as, unit, times, amount in session().execute(total):
            found[unit].sums[_kind(posted_as, back=back)] += -int(amount) if back else int(amount)
            found[unit].times += times
    return found


def _lines(membership_id: str, begin: datetime, end: datetime) -> list[Line]:
    """The first changes, one by one; movements between the advocate's own accounts change nothing owed."""
    mine = ledger.accounts_of(membership_id)
    arrives, leaves = col(Posting.destination).in_(mine), col(Posting.source).in_(mine)
    crossing = (
        select(LedgerTransaction, Posting)
        .join(Posting, col(LedgerTransaction.id) == col(Posting.transaction_id))
        .where(
            (arrives | leaves) & ~(arrives & leaves),
            col(LedgerTransaction.posted_at) >= begin,
            col(LedgerTransaction.posted_at) < end,
        )
        .order_by(col(LedgerTransaction.posted_at), col(LedgerTransaction.id))
        .limit(MOST_LINES)
    )
    rows = list(session().execute(crossing))
    subjects = {why.subject for why, _movement in rows}
    rewards, payouts, orders = _rewards(subjects), _payouts(subjects), _orders(subjects)
    entries = [why for why, _movement in rows]
    words, sums, sales = said.reasons(entries), said.arithmetic(entries, rewards), _sales(rewards)
    return [
        Line(
            at=why.posted_at,
            kind=_kind(why.kind, back=moved.source in mine),
            amount=Money(
                moved.amount_minor if moved.destination in mine else -moved.amount_minor, moved.currency
            ),
            reward=(reward := rewards.get(why.subject)),
            payout=payouts.get(why.subject),
            order=orders.get(why.subject),
            sale=sales.get((reward and reward.conversion_id) or ""),
            why=sums[why.id],
            said=words.get(why.id, ""),
        )
        for why, moved in rows
    ]


def _kind(posted_as: str, *, back: bool) -> str:
    """The ledger's word; it has one for points, whichever way they go."""
    return "points.taken_back" if back and posted_as == "points.credited" else posted_as


def _rewards(ids: set[str]) -> dict[str, Reward]:
    found = session().execute(select(Reward).where(col(Reward.id).in_(ids))).scalars()
    return {each.id: each for each in found}


def _sales(rewards: Mapping[str, Reward]) -> dict[str, Conversion]:
    ids = {each.conversion_id for each in rewards.values()}
    found = session().execute(select(Conversion).where(col(Conversion.id).in_(ids))).scalars()
    return {each.id: each for each in found}


def _payouts(ids: set[str]) -> dict[str, Payout]:
    found = session().execute(select(Payout).where(col(Payout.id).in_(ids))).scalars()
    return {each.id: each for each in found}


def _orders(ids: set[str]) -> dict[str, PerkOrder]:
    found = session().execute(select(PerkOrder).where(col(PerkOrder.id).in_(ids))).scalars()
    return {each.id: each for each in found}
