"""The scoreboard: ladder and time series, added to in the same transaction as the fact, provable against the facts.

Days and periods are UTC. A metric's facts are a SELECT that its package registers here; `check` sums them again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, Select, Text, func, literal, true, union_all
from sqlalchemy import select as select_columns
from sqlmodel import Field, SQLModel, col, select

from core.db import before_commit, dialect, session
from core.errors import Invalid
from core.rollups import grow, grow_selected, hold, table_of


class LadderStep(SQLModel, table=True):
    """What a member has of a metric in a period: `all`, a year `2026`, a quarter `2026-Q4`, a month `2026-11`."""

    __tablename__ = "ladder"
    __table_args__ = {"sqlite_with_rowid": False}

    metric: str = Field(primary_key=True, sa_type=Text)
    member_id: str = Field(primary_key=True, sa_type=Text)
    period: str = Field(primary_key=True, sa_type=Text)
    """after the member, so that the four steps of one day lie beside each other"""
    unit_id: str = Field(sa_type=Text)
    value: int = Field(sa_type=BigInteger)


# The one order that boards are read in, for any set of units; a second index would make storing a fact dearer by half.
Index(
    "ix_ladder_standings",
    LadderStep.metric,
    LadderStep.period,
    LadderStep.unit_id,
    col(LadderStep.value).desc(),
)


class SeriesPoint(SQLModel, table=True):
    """What a unit had of a metric on a day (YYYYMMDD)."""

    __tablename__ = "time_series"
    __table_args__ = {"sqlite_with_rowid": False}

    metric: str = Field(primary_key=True, sa_type=Text)
    unit_id: str = Field(primary_key=True, sa_type=Text)
    day: int = Field(primary_key=True, sa_type=Integer)
    value: int = Field(sa_type=BigInteger)


@dataclass(frozen=True)
class Gain:
    """So much of a metric, for a member of a unit, on a day (YYYYMMDD); negative takes back."""

    metric: str
    member_id: str
    unit_id: str
    day: int
    value: int


Point = tuple[str, str, int]
"""metric, unit and day"""
Facts = Callable[[], Select[Any]]
"""A SELECT of (metric, member_id, unit_id, day, value) over the facts behind a metric"""

_WAITING = "time series"
_facts: dict[str, Facts] = {}
FAMILIES = ("clicks", "leads", "sales", "revenue", "points", "certifications")


class UnknownMetric(Invalid):
    """This metric is not known. Metrics are clicks, leads, sales, revenue, points and certifications."""


def metric_from(family: str, facts: Facts) -> None:
    """Say where the facts of a metric (or, like `revenue`, of a family with one metric per currency) are."""
    _facts[family] = facts


def metric_name(family: str, currency: str | None = None) -> str:
    """The scoreboard's name of a metric: revenue is kept per currency, `revenue:EUR`. Raises UnknownMetric."""
    if family not in FAMILIES:
        raise UnknownMetric
    if family != "revenue":
        return family
    if not currency:
        raise UnknownMetric("Revenue is counted per currency: name one.")
    return f"revenue:{currency}"


@lru_cache(maxsize=64)
def periods_of(day: int) -> tuple[str, str, str, str]:
    """The periods of the ladder that a day (YYYYMMDD) falls into."""
    year, month = day // 10_000, day // 100 % 100
    return "all", f"{year:04d}", f"{year:04d}-Q{(month + 2) // 3}", f"{year:04d}-{month:02d}"


def add(gains: Iterable[Gain]) -> None:
    """Add to ladder and time series; call it in the transaction that stores the facts.

    The ladder has it at once. The series, whose few rows everybody adds to, has it when the transaction commits: whoever
    adds twice would else wait for a member's step with a unit's day in hand, which that member's next sale waits for.
    """
    ladder: dict[tuple[str, str, str], list[Any]] = {}
    points: dict[Point, int] = {}
    for gain in gains:
        for period in periods_of(gain.day):
            step = ladder.setdefault((gain.metric, gain.member_id, period), [gain.unit_id, 0])
            step[1] += gain.value
        point = (gain.metric, gain.unit_id, gain.day)
        points[point] = points.get(point, 0) + gain.value
    # Sorted: two transactions that touch the same rows take them in the same order.
    grow(table_of(LadderStep), [(*place, *step) for place, step in sorted(ladder.items())], sums=("value",))
    _add_to_series(points)


def add_selected(metric: str, day: int, gains: Select[Any]) -> None:
    """Add the gains of one day (YYYYMMDD) that the database selects, (member_id, unit_id, value) with each member once.

    As `add` does it, for thousands at a time: the rows stay where they are.
    """
    of = gains.subquery()
    periods = union_all(*(select_columns(literal(each).label("period")) for each in periods_of(day)))
    period = periods.subquery().c.period
    steps = select_columns(literal(metric), of.c.member_id, period, of.c.unit_id, of.c.value)
    # Sorted as above: by the members alone on SQLite, which has one writer and would sort all of it once more.
    order = (of.c.member_id, period) if dialect() == "postgresql" else (of.c.member_id,)
    grow_selected(
        table_of(LadderStep), steps.join_from(of, period.table, true()).order_by(*order), sums=("value",)
    )
    units = select_columns(of.c.unit_id, func.sum(of.c.value)).group_by(of.c.unit_id)
    _add_to_series({(metric, unit, day): int(value) for unit, value in session().execute(units)})


def _add_to_series(points: dict[Point, int]) -> None:
    if session().in_nested_transaction():  # a savepoint that is undone takes with it what it added
        _grow_series(points)
        return
    waiting: dict[Point, int] = session().info.setdefault(_WAITING, {})
    for point, value in points.items():
        waiting[point] = waiting.get(point, 0) + value


@before_commit
def write_series() -> None:
    """Add to the time series what waits for this transaction's end; whoever reads the series in it comes first."""
    _grow_series(session().info.pop(_WAITING, {}))


def _grow_series(points: dict[Point, int]) -> None:
    grow(table_of(SeriesPoint), [(*point, value) for point, value in sorted(points.items())], sums=("value",))


def value_of(metric: str, period: str, member_id: str) -> int:
    """What one member has of a metric in a period."""
    step = session().get(LadderStep, (metric, member_id, period))
    return step.value if step else 0


def series(metric: str, unit_ids: frozenset[str], first: date, last: date) -> dict[int, int]:
    """Day (YYYYMMDD) → value over these units, both ends included; days without anything are left out."""
    write_series()
    total = select(col(SeriesPoint.day), func.sum(SeriesPoint.value)).where(
        SeriesPoint.metric == metric,
        col(SeriesPoint.unit_id).in_(unit_ids),
        col(SeriesPoint.day).between(int(f"{first:%Y%m%d}"), int(f"{last:%Y%m%d}")),
    )
    return {day: int(value) for day, value in session().exec(total.group_by(col(SeriesPoint.day))).all()}


def facts_between(family: str, first_day: int, last_day: int) -> Select[Any]:
    """The facts of a family from day to day (YYYYMMDD, both included), for ranges that are no period."""
    facts = _facts[family]().subquery()
    return select_columns(facts).where(facts.c.day.between(first_day, last_day))


def differences() -> list[str]:
    """Every place where the scoreboard differs from the facts, as sentences; none is the proof."""
    write_series()
    return [each for family in sorted(_facts) for each in _family_differences(family)]


def recount() -> int:
    """Set the scoreboard to what the facts sum to, while nobody adds to it; answers how many places were wrong."""
    write_series()
    ladder, series_ = table_of(LadderStep), table_of(SeriesPoint)
    hold(ladder, series_)
    wrong = 0
    for family in sorted(_facts):
        facts, kept = _facts_of(family), _kept_of(family)
        steps = [
            (metric, member, period, facts.units.get((metric, period, member), ""), missing)
            for (metric, period, member), missing in _missing(facts.ladder, kept.ladder)
        ]
        days = [(*point, missing) for point, missing in _missing(facts.days, kept.days)]
        grow(ladder, sorted(steps), sums=("value",))
        grow(series_, sorted(days), sums=("value",))
        wrong += len(steps) + len(days)
    session().expire_all()
    return wrong


@dataclass(frozen=True)
class _Sums:
    """What a family of metrics sums to: by (metric, period, member) and by (metric, unit, day)."""

    ladder: dict[tuple[str, str, str], int]
    days: dict[Point, int]
    units: dict[tuple[str, str, str], str]
    """of the members"""


def _family_differences(family: str) -> list[str]:
    facts, kept = _facts_of(family), _kept_of(family)
    return _compare("ladder", facts.ladder, kept.ladder) + _compare("time series", facts.days, kept.days)


def _facts_of(family: str) -> _Sums:
    found = _Sums({}, {}, {})
    c = _facts[family]().subquery().c
    summed = select_columns(c.metric, c.member_id, c.unit_id, c.day, func.sum(c.value)).group_by(
        c.metric, c.member_id, c.unit_id, c.day
    )
    for metric, member_id, unit_id, day, value in session().execute(summed):
        for period in periods_of(day):
            place = (metric, period, member_id)
            found.ladder[place] = found.ladder.get(place, 0) + int(value)
            found.units[place] = unit_id
        point = (metric, unit_id, day)
        found.days[point] = found.days.get(point, 0) + int(value)
    return found


def _kept_of(family: str) -> _Sums:
    steps = select(LadderStep).where(
        col(LadderStep.metric).like(family) | col(LadderStep.metric).like(f"{family}:%")
    )
    points = select(SeriesPoint).where(
        col(SeriesPoint.metric).like(family) | col(SeriesPoint.metric).like(f"{family}:%")
    )
    return _Sums(
        {(each.metric, each.period, each.member_id): each.value for each in session().exec(steps)},
        {(each.metric, each.unit_id, each.day): each.value for each in session().exec(points)},
        {},
    )


def _missing(expected: dict[Any, int], stored: dict[Any, int]) -> list[tuple[Any, int]]:
    """What has to be added where; negative takes off."""
    places = sorted(expected.keys() | stored.keys())
    missing = [(place, expected.get(place, 0) - stored.get(place, 0)) for place in places]
    return [(place, number) for place, number in missing if number]


def _compare(table: str, expected: dict[Any, int], stored: dict[Any, int]) -> list[str]:
    return [
        f"{table} {place}: the facts say {expected.get(place, 0)}, the scoreboard {stored.get(place, 0)}"
        for place, _number in _missing(expected, stored)
    ]
