"""Leaderboards: who has most of a metric in a range of days.

Ties share a rank and the next rank is skipped (1, 2, 2, 4); within a tie the lower membership number stands first.
Nobody is named without having agreed, and staff of a unit (or of one above it) are never on its board.
"""

from dataclasses import dataclass
from datetime import date

from sqlmodel import col, select

from advocates.leaderboard_rows import Row, top_rows
from core.db import session
from core.errors import Invalid
from core.money import Money, require_currency
from hub.metrics import metric_name
from hub.programmes import Programme
from hub.units import Unit, all_units

MAX_PLACES = 1_000
RULE = (
    "Equal values share a rank and the next rank is skipped (1, 2, 2, 4). Days are UTC. "
    "Only advocates who agreed to it are shown by name. Staff are not on the board."
)


class EmptyRange(Invalid):
    """The last day is before the first."""


class LimitOutOfRange(Invalid):
    """A leaderboard has between 1 and 1,000 places."""


class CurrencyNeeded(Invalid):
    """Revenue is counted per currency: name one."""


@dataclass(frozen=True)
class Wanted:
    """Which leaderboard: a metric's family (`revenue` with its currency), days (both included), units, how many places.

    Raises UnknownMetric, CurrencyNeeded, UnknownCurrency, EmptyRange, LimitOutOfRange.
    """

    metric: str
    currency: str | None
    first: date
    last: date
    unit_ids: frozenset[str]
    limit: int = 100
    emails: bool = False
    """with the addresses of those who are named; whoever asks must hold `leaderboard.emails` in all the units"""

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise EmptyRange
        if not 1 <= self.limit <= MAX_PLACES:
            raise LimitOutOfRange
        if self.metric == "revenue":
            if not self.currency:
                raise CurrencyNeeded
            require_currency(self.currency)
        metric_name(self.metric, self.currency)


@dataclass(frozen=True)
class Place:
    """One advocate's place."""

    rank: int
    membership_id: str
    membership_number: int
    advocate: str
    """their name where they agreed, else `Advocate #n`"""
    unit: str
    """the unit's short name"""
    unit_name: str
    value: int
    """in minor units for revenue"""
    email: str | None


@dataclass(frozen=True)
class Standings:
    """A leaderboard as it stood when it was asked for."""

    wanted: Wanted
    where: str
    """the units, in words"""
    places: tuple[Place, ...]

    def amount(self, place: Place) -> Money | None:
        """What revenue amounts to; None for the other metrics, which are plain figures."""
        return Money(place.value, self.wanted.currency or "") if self.wanted.metric == "revenue" else None


def the_currency(unit_ids: frozenset[str]) -> str:
    """The currency of the programmes of these units, when it is one; raises CurrencyNeeded."""
    used = select(Programme.currency).where(col(Programme.unit_id).in_(unit_ids)).distinct()
    currencies = sorted(session().exec(used).all())
    if len(currencies) != 1:
        raise CurrencyNeeded(details={"currencies": currencies})
    return currencies[0]


def standings(wanted: Wanted) -> Standings:
    """The leaderboard; for a whole period (all, year, quarter, month) one indexed query, however many events there were."""
    units = all_units()
    rows = top_rows(
        wanted.metric,
        metric_name(wanted.metric, wanted.currency),
        (wanted.first, wanted.last),
        wanted.unit_ids,
        units=units,
        limit=wanted.limit,
    )
    by_id = {unit.id: unit for unit in units}
    return Standings(wanted, _where(wanted, units), tuple(_places(rows, by_id, emails=wanted.emails)))


def _where(wanted: Wanted, units: list[Unit]) -> str:
    names = [unit.name for unit in units if unit.id in wanted.unit_ids]
    return "all units" if len(names) == len(units) else ", ".join(names)


def _places(rows: list[Row], units: dict[str, Unit], *, emails: bool) -> list[Place]:
    ranks: dict[int, int] = {}
    for position, row in enumerate(rows, start=1):
        ranks.setdefault(row.value, position)
    return [
        Place(
            rank=ranks[row.value],
            membership_id=row.member_id,
            membership_number=row.number,
            advocate=row.name if row.shown_by_name else f"Advocate #{row.number}",
            unit=units[row.unit_id].slug,
            unit_name=units[row.unit_id].name,
            value=int(row.value),
            email=row.email if emails and row.shown_by_name else None,
        )
        for row in rows
    ]
