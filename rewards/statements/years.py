"""A year in sums: what was earned, taken back, paid and spent in each of its months, straight from the ledger."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlmodel import col

from advocates.membership import Membership
from core.clock import now
from core.db import session
from core.errors import NotFound
from core.money import Money
from hub.programmes import Programme, get_programme
from rewards.ledger import ledger
from rewards.ledger.ledger import LedgerTransaction, Posting
from rewards.statements.statements import owed_before, span_of

MONTHS = 12
EARNED = frozenset({"reward.granted", "points.credited"})
OUT = frozenset({"payout.sent", "payout.reversed", "points.spent", "points.returned"})


class NoSuchYear(NotFound):
    """There is no summary of this year."""


class Sums(NamedTuple):
    """What changed in a span, each with its sign: what goes out and what is taken back is negative."""

    earned: Money
    taken_back: Money
    out: Money
    """paid; of points spent, less what came back"""


@dataclass(frozen=True)
class YearPart:
    """A year in one currency: `opening` plus the sums of every month is `closing`."""

    currency: str
    opening: Money
    months: Sequence[tuple[str, Sums]]
    closing: Money

    @property
    def total(self) -> Sums:
        """Of the whole year."""
        columns = zip(*(sums for _month, sums in self.months), strict=True)
        return Sums(*(Money(sum(each.amount_minor for each in column), self.currency) for column in columns))


def years_of(membership: Membership) -> list[int]:
    """The years since the advocate joined, in the programme's zone, the newest first."""
    zone = get_programme(membership.programme_id).zone
    first, last = (each.astimezone(zone).year for each in (membership.joined_at, now()))
    return list(range(last, first - 1, -1))


def require_year(membership: Membership, year: int) -> None:
    """Refuse what is no year since the advocate joined; raises NoSuchYear."""
    if year not in years_of(membership):
        raise NoSuchYear


def year_span(programme: Programme, year: int) -> tuple[datetime, datetime]:
    """When a year begins and ends in the programme's zone; half-open."""
    return span_of(programme, f"{year}-01")[0], span_of(programme, f"{year}-12")[1]


def year_of(membership: Membership, year: int) -> list[YearPart]:
    """The year per currency, the months that have begun only; raises NoSuchYear."""
    require_year(membership, year)
    programme, at = get_programme(membership.programme_id), now()
    names = [f"{year}-{month:02d}" for month in range(1, MONTHS + 1)]
    begun = [each for each in names if span_of(programme, each)[0] <= at]
    months = [(each, _changes(membership.id, *span_of(programme, each))) for each in begun]
    opening = owed_before(membership.id, year_span(programme, year)[0])
    currencies = {each for each, amount in opening.items() if amount} | {
        currency for _month, changes in months for currency in changes
    }
    return [_part(each, opening.get(each, 0), months) for each in sorted(currencies)]


def _part(
    currency: str, opening_minor: int, months: Sequence[tuple[str, dict[str, dict[str, int]]]]
) -> YearPart:
    sums = [(month, _sums(currency, changes.get(currency, {}))) for month, changes in months]
    changed = sum(each.amount_minor for _month, three in sums for each in three)
    return YearPart(currency, Money(opening_minor, currency), sums, Money(opening_minor + changed, currency))


def _sums(currency: str, by_column: dict[str, int]) -> Sums:
    return Sums(*(Money(by_column.get(name, 0), currency) for name in Sums._fields))


def _changes(membership_id: str, begin: datetime, end: datetime) -> dict[str, dict[str, int]]:
    """Currency → column → how much; movements between the advocate's own accounts change nothing owed."""
    mine = ledger.accounts_of(membership_id)
    arrives, leaves = col(Posting.destination).in_(mine), col(Posting.source).in_(mine)
    changes: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for sign, side in ((1, arrives & ~leaves), (-1, leaves & ~arrives)):
        total = (
            select(col(LedgerTransaction.kind), col(Posting.currency), func.sum(col(Posting.amount_minor)))
            .join(Posting, col(LedgerTransaction.id) == col(Posting.transaction_id))
            .where(side, col(LedgerTransaction.posted_at) >= begin, col(LedgerTransaction.posted_at) < end)
            .group_by(col(LedgerTransaction.kind), col(Posting.currency))
        )
        for kind, currency, amount in session().execute(total):
            changes[currency][_column(kind, sign)] += sign * int(amount)
    return changes


def _column(kind: str, sign: int) -> str:
    if kind in OUT:
        return "out"
    return "earned" if kind in EARNED and sign > 0 else "taken_back"
