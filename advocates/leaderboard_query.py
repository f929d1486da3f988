"""The query of a leaderboard's address, on the page, its files and the API: read once, the same everywhere."""

import re
from datetime import date
from typing import Any

from pydantic import Field, field_validator

from advocates.leaderboard import MAX_PLACES, Wanted, the_currency
from advocates.periods import FIRST_DAY, LAST_DAY, days_of
from core.access import Actor
from core.clock import now
from core.errors import Forbidden
from core.inputs import Input
from core.paging import WrongCursor
from hub.units import UnitNotFound, find_unit, reach

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
EARLIEST = date(2000, 1, 1)
"""where a range without a first day begins"""


class LeaderboardQuery(Input):
    """Metric, currency, period or days (`from`, `to`, both included), unit, how many places."""

    metric: str = Field(
        default="sales", max_length=40, description="clicks, leads, sales, revenue, points or certifications"
    )
    currency: str | None = Field(
        default=None, max_length=3, description="of revenue; needed where units have several"
    )
    period: str | None = Field(
        default=None, max_length=10, description="all, 2026, 2026-Q4 or 2026-11, instead of days"
    )
    first: date | None = Field(default=None, alias="from", description="the first day, included")
    last: date | None = Field(default=None, alias="to", description="the last day, included")
    unit: str | None = Field(
        default=None, max_length=200, description="a unit's short name: it and all below"
    )
    limit: int = Field(default=100, ge=1, le=MAX_PLACES, description="how many places")
    emails: bool = Field(default=False, description="for people in the console only: keys are refused")
    after: str | None = Field(default=None, max_length=1_000, description="a leaderboard is one page")

    @field_validator("first", "last", mode="before")
    @classmethod
    def _day(cls, value: Any) -> Any:  # noqa: ANN401 - whatever was sent
        if not value:
            return None
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            raise ValueError("a day is written like 2026-11-02")
        return value

    @property
    def days(self) -> tuple[date, date]:
        """The days that are meant: a period's, or those given; everything when neither is. Raises UnknownPeriod."""
        if self.period:
            return days_of(self.period)
        if self.first is None and self.last is None:
            return FIRST_DAY, LAST_DAY
        first = self.first or min(EARLIEST, self.last or EARLIEST)
        return first, self.last or max(first, date(now().year, 12, 31))


def wanted_by(actor: Actor, query: LeaderboardQuery, right: str) -> Wanted:
    """What the query asks for, within the units where the actor holds `right`.

    Raises UnitNotFound for a unit outside, Forbidden for addresses without `leaderboard.emails`, and what
    Wanted raises.
    """
    if query.after:
        raise WrongCursor  # a leaderboard is one page
    unit_ids = actor.units_for(right)
    if query.unit:
        unit = find_unit(query.unit)
        if unit is None or unit.id not in unit_ids:
            raise UnitNotFound
        unit_ids &= reach(unit.id)
    if query.emails and not unit_ids <= actor.units_for("leaderboard.emails"):
        raise Forbidden
    first, last = query.days
    currency = (query.currency or the_currency(unit_ids)) if query.metric == "revenue" else None
    return Wanted(query.metric, currency, first, last, unit_ids, query.limit, query.emails)
