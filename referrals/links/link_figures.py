"""What one link brought, by day: clicks from their rollup, leads, sales and revenue from the conversions it won."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import case
from sqlalchemy import select as select_columns
from sqlmodel import col, func

from core.clock import now
from core.db import session
from core.money import Money
from referrals.clicks.link_days import clicks_by_day
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion, RefundShare
from referrals.links.links import Link

SPANS = (28, 90, 365)
"""over how many days one can look"""


@dataclass(frozen=True)
class LinkFigures:
    """A link's days, each list as long as `days` (YYYYMMDD, UTC, the oldest first)."""

    days: Sequence[int]
    clicks: Sequence[int]
    handheld: int
    """how many of all these clicks came from phones and tablets"""
    leads: Sequence[int]
    sales: Sequence[int]
    revenue: dict[str, Sequence[Money]]
    """currency → what its sales of each day brought, less what was given back of them until now"""

    @property
    def brought_any(self) -> bool:
        """Whether there was anything on any of these days."""
        return any(self.clicks) or any(self.leads) or any(self.sales)

    @property
    def sums(self) -> dict[str, Money]:
        """Currency → the revenue of all these days."""
        return {
            currency: Money(sum(each.amount_minor for each in by_day), currency)
            for currency, by_day in self.revenue.items()
        }


def figures_of(link_id: str, span_days: int) -> LinkFigures:
    """The figures of the last `span_days` days, today included."""
    today = now().date()
    first = today - timedelta(days=span_days - 1)
    days = [_number(first + timedelta(days=each)) for each in range(span_days)]
    clicks = clicks_by_day(link_id, first, today)
    won = _won(link_id, first, today)
    currencies = sorted({each[0] for each in won if each[0]})
    return LinkFigures(
        days=days,
        clicks=[clicks[day].clicks if day in clicks else 0 for day in days],
        handheld=sum(each.handheld for each in clicks.values()),
        leads=_by_day(won, "lead", days),
        sales=_by_day(won, "sale", days),
        revenue={each: [Money(won[each, "sale", day][1], each) for day in days] for each in currencies},
    )


Won = dict[tuple[str, str, int], tuple[int, int]]


def _won(link_id: str, first: date, last: date) -> Won:
    """(currency, kind, day) → how many conversions that were not given back in full, and their sum in minor units.

    A shared sale counts once, for the link of its last touch, and its revenue for each link by its share.
    """
    won = _whole(link_id, first, last)
    for place, minor in _by_shares(link_id, first, last).items():
        number, whole = won[place]
        won[place] = (number, whole + minor)
    return won


def _whole(link_id: str, first: date, last: date) -> Won:
    left = col(Conversion.amount_minor) - col(Conversion.refunded_minor)
    own = case((col(Conversion.shared).is_(True), 0), else_=left)
    kept = (left > 0) | (col(Conversion.refunded_minor) == 0)
    found = (
        select_columns(
            col(Conversion.currency), col(Conversion.kind), col(Conversion.day), func.count(), func.sum(own)
        )
        .where(col(Conversion.link_id) == link_id, kept)
        .where(col(Conversion.day).between(_number(first), _number(last)))
        .group_by(col(Conversion.currency), col(Conversion.kind), col(Conversion.day))
    )
    rows = session().execute(found)
    won: Won = defaultdict(lambda: (0, 0))
    won.update(
        {(currency, kind, day): (int(number), int(minor)) for currency, kind, day, number, minor in rows}
    )
    return won


def _by_shares(link_id: str, first: date, last: date) -> dict[tuple[str, str, int], int]:
    """(currency, kind, day) → what is left of the link's shares of shared sales."""
    owner = select_columns(col(Link.membership_id)).where(col(Link.id) == link_id)
    given_back = (
        select_columns(func.coalesce(func.sum(col(RefundShare.amount_minor)), 0))
        .where(col(RefundShare.candidate_id) == col(AttributionCandidate.id))
        .scalar_subquery()
    )
    found = (
        select_columns(
            col(Conversion.currency),
            col(Conversion.kind),
            col(Conversion.day),
            func.sum(col(AttributionCandidate.share_minor) - given_back),
        )
        .join(Conversion, col(Conversion.id) == col(AttributionCandidate.conversion_id))
        .where(col(AttributionCandidate.membership_id) == owner.scalar_subquery())  # by its index
        .where(col(AttributionCandidate.link_id) == link_id, col(AttributionCandidate.won).is_(True))
        .where(col(Conversion.shared).is_(True), col(Conversion.kind) == "sale")
        .where(col(Conversion.day).between(_number(first), _number(last)))
        .group_by(col(Conversion.currency), col(Conversion.kind), col(Conversion.day))
    )
    return {(currency, kind, day): int(minor) for currency, kind, day, minor in session().execute(found)}


def _by_day(won: Won, kind: str, days: Sequence[int]) -> list[int]:
    numbers: dict[int, int] = defaultdict(int)
    for (_currency, of_kind, day), (number, _minor) in won.items():
        if of_kind == kind:
            numbers[day] += number
    return [numbers[day] for day in days]


def _number(day: date) -> int:
    return int(f"{day:%Y%m%d}")
