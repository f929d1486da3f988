"""The scoreboard: ladder and time series, added to in the same transaction as the fact, provable against the facts.

Days and periods are UTC. A metric's facts are a SELECT that its package registers here; `check` sums them again.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, Select, Table, Text, cast, func, literal, true, union_all
from sqlalchemy import select as select_columns
from sqlmodel import Field, SQLModel, col, select

from core.db import before_commit, dialect, session
from core.errors import Invalid
from core.rollups import Differing, differing, grow, grow_selected, hold, table_of


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
    return [
        f"{name} {each.place}: the facts say {each.told[0]}, the scoreboard {each.held[0]}"
        for name, _table, found in _compared()
        for each in found
    ]


def recount() -> int:
    """Set the scoreboard to what the facts sum to, while nobody adds to it; answers how many places were wrong."""
    write_series()
    hold(table_of(LadderStep), table_of(SeriesPoint))
    wrong = 0
    for _name, table, found in _compared():
        grow(table, [each.missing for each in found], sums=("value",))
        wrong += len(found)
    session().expire_all()
    return wrong


def _compared() -> Iterator[tuple[str, Table, list[Differing]]]:
    """What differs of ladder and time series, family by family."""
    for family in sorted(_facts):
        for name, table, facts in (
            ("ladder", table_of(LadderStep), _steps_of(family)),
            ("time series", table_of(SeriesPoint), _points_of(family)),
        ):
            metric = table.c.metric
            own = (metric == family) | metric.startswith(f"{family}:")
            yield name, table, differing(table, facts, sums=("value",), part=own)


def _points_of(family: str) -> Select[Any]:
    """The time series by the facts."""
    c = _facts[family]().subquery().c
    summed = select_columns(c.metric, c.unit_id, c.day, func.sum(c.value).label("value"))
    return summed.group_by(c.metric, c.unit_id, c.day)


def _steps_of(family: str) -> Select[Any]:
    """The ladder by the facts: each month of a member, in the four periods that it is a part of."""
    c = _facts[family]().subquery().c
    month = c.day // 100
    monthly = (
        select_columns(c.metric, c.member_id, func.max(c.unit_id).label("unit_id"))
        .add_columns(month.label("month"), func.sum(c.value).label("value"))
        .group_by(c.metric, c.member_id, month)
        .cte("monthly")
    )
    m = monthly.c
    said = cast(m.month, Text)
    year, number = func.substr(said, 1, 4), func.substr(said, 5, 2)
    quarter = year + "-Q" + cast((cast(number, Integer) + 2) // 3, Text)
    periods = (literal("all"), year, quarter, year + "-" + number)
    steps = union_all(
        *(select_columns(m.metric, m.member_id, each.label("period"), m.unit_id, m.value) for each in periods)
    )
    return select_columns(steps.subquery())
