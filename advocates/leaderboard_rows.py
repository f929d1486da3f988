"""Where a leaderboard's rows come from: the ladder alone for whole periods, the ladder and a few days of facts otherwise."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import (
    Integer,
    Select,
    Subquery,
    bindparam,
    func,
    literal_column,
    not_,
    or_,
    union_all,
)
from sqlalchemy import select as select_columns
from sqlmodel import col

from advocates.membership import Membership
from advocates.periods import pieces_of
from core.clock import now
from core.columns import UtcDateTime
from core.db import session
from core.people import Person
from core.reading import Columns, Reading, among
from hub.metrics import LadderStep, facts_between
from hub.roles import RoleGrant
from hub.units import Unit, reach

_STEP: tuple[Any, ...] = (col(LadderStep.member_id), col(LadderStep.unit_id), col(LadderStep.value))


@dataclass(frozen=True)
class Row:
    """An advocate's sum, with what the board needs to know of them."""

    member_id: str
    unit_id: str
    value: int
    number: int
    shown_by_name: bool
    name: str
    email: str


def top_rows(
    family: str,
    metric: str,
    days: tuple[date, date],
    unit_ids: frozenset[str],
    *,
    units: list[Unit],
    limit: int,
) -> list[Row]:
    """The first `limit` advocates by value, ties by number; `metric` is the scoreboard's name of the `family`'s member."""
    pieces = pieces_of(*days)
    hidden = staff_memberships(units)
    whole = len(pieces.periods) == 1 and not pieces.edges
    if whole:
        of = {"metric": metric, "period": pieces.periods[0], "units": sorted(unit_ids), "hidden": hidden}
        return [Row(*row) for row in _STANDARD.all(**of, limit=limit, last=limit + len(hidden) - 1)]
    where = None if {unit.id for unit in units} <= unit_ids else unit_ids  # all units are no condition
    edges = [_edge(family, metric, edge, where) for edge in pieces.edges]
    ladder = [_steps(metric, pieces.periods, where)] if pieces.periods else []
    sums = _summed([*ladder, *edges])
    rows = _named(sums).limit(limit)
    if hidden:
        rows = rows.where(sums.c.member_id.not_in(hidden))
    return [Row(*row) for row in session().execute(rows)]


def _standard() -> Columns:
    """The standard board: one whole period of any units, each read in the index's order.

    Whoever is below the last place of the best unit's own board is on no board of several, so nothing below is read.
    """
    period = col(LadderStep.metric) == bindparam("metric"), col(LadderStep.period) == bindparam("period")
    value, last = col(LadderStep.value), bindparam("last", type_=Integer)
    own = select_columns(value).where(*period, col(LadderStep.unit_id) == col(Unit.id)).order_by(value.desc())
    places = own.limit(literal_column("1")).offset(last).correlate(Unit).scalar_subquery()
    least = (
        select_columns(func.max(places)).select_from(Unit).where(among(Unit.id, "units")).scalar_subquery()
    )
    enough = value >= func.coalesce(least, literal_column("1")), value > literal_column("0")
    sums = select_columns(*_STEP).where(*period, among(LadderStep.unit_id, "units"), *enough).subquery("sums")
    shown = not_(among(sums.c.member_id, "hidden"))
    return _named(sums).where(shown).limit(bindparam("limit", type_=Integer)).offset(literal_column("0"))


_STANDARD = Reading(_standard)


def _steps(metric: str, periods: Collection[str], unit_ids: frozenset[str] | None) -> Select[Any]:
    period = (
        col(LadderStep.period) == next(iter(periods))
        if len(periods) == 1
        else col(LadderStep.period).in_(periods)
    )
    found = select_columns(*_STEP).where(col(LadderStep.metric) == metric, period)
    return found if unit_ids is None else found.where(col(LadderStep.unit_id).in_(unit_ids))


def _edge(family: str, metric: str, days: tuple[date, date], unit_ids: frozenset[str] | None) -> Select[Any]:
    first, last = (day.year * 10_000 + day.month * 100 + day.day for day in days)
    facts = facts_between(family, first, last).subquery().c
    found = select_columns(facts.member_id, facts.unit_id, facts.value).where(facts.metric == metric)
    return found if unit_ids is None else found.where(facts.unit_id.in_(unit_ids))


def _summed(parts: list[Select[Any]]) -> Subquery:
    every = union_all(*parts).subquery().c
    total = func.sum(every.value)
    summed = select_columns(every.member_id, func.min(every.unit_id).label("unit_id"), total.label("value"))
    return summed.group_by(every.member_id).having(total > 0).subquery("sums")


def _named(sums: Subquery) -> Select[Any]:
    return (
        select_columns(
            sums.c.member_id,
            sums.c.unit_id,
            sums.c.value,
            col(Membership.number),
            col(Membership.shown_by_name),
            col(Person.name),
            col(Person.email),
        )
        .join(Membership, col(Membership.id) == sums.c.member_id)
        .join(Person, col(Person.id) == col(Membership.person_id))
        .order_by(sums.c.value.desc(), col(Membership.number))
    )


def staff_memberships(units: list[Unit]) -> list[str]:
    """The memberships of people who now hold a role in the membership's unit or above it."""
    return sorted(
        {
            member_id
            for member_id, unit_id, role_unit_id in _STAFF.all(at=now())
            if unit_id in reach(role_unit_id, units)
        }
    )


def _staff() -> Columns:
    at = bindparam("at", type_=UtcDateTime())
    return (
        select_columns(col(Membership.id), col(Membership.unit_id), col(RoleGrant.unit_id))
        .join(RoleGrant, col(RoleGrant.person_id) == col(Membership.person_id))
        .where(
            col(RoleGrant.starts_at) <= at,
            or_(col(RoleGrant.ends_at).is_(None), col(RoleGrant.ends_at) > at),
        )
    )


_STAFF = Reading(_staff)
