"""Ranges of days as the ladder knows them: all time, years, quarters, months; UTC."""

import re
from dataclasses import dataclass
from datetime import date, timedelta

from core.errors import Invalid

FIRST_DAY, LAST_DAY = date(1, 1, 1), date(9999, 12, 31)
_PERIOD = re.compile(r"(?P<year>[0-9]{4})(?:-(?:Q(?P<quarter>[1-4])|(?P<month>0[1-9]|1[0-2])))?")
MONTHS_OF_YEAR = 12


class UnknownPeriod(Invalid):
    """A period is "all", a year like 2026, a quarter like 2026-Q4 or a month like 2026-11."""


@dataclass(frozen=True)
class Pieces:
    """A range taken apart: whole periods of the ladder, and runs of days (first, last) that are none."""

    periods: tuple[str, ...]
    edges: tuple[tuple[date, date], ...]


def days_of(period: str) -> tuple[date, date]:
    """First and last day of `all`, `2026`, `2026-Q4` or `2026-11`; raises UnknownPeriod."""
    if period == "all":
        return FIRST_DAY, LAST_DAY
    found = _PERIOD.fullmatch(period)
    if found is None or found["year"] == "0000":
        raise UnknownPeriod
    year = int(found["year"])
    if found["quarter"]:
        month = int(found["quarter"]) * 3
        return date(year, month - 2, 1), _month_end(year, month)
    if found["month"]:
        month = int(found["month"])
        return date(year, month, 1), _month_end(year, month)
    return date(year, 1, 1), date(year, 12, 31)


def _month_end(year: int, month: int) -> date:
    if month == MONTHS_OF_YEAR:
        return date(year, 12, 31)
    return date(year, month + 1, 1) - timedelta(days=1)


def pieces_of(first: date, last: date) -> Pieces:
    """The range (both days included) in as few whole periods as there are, and at most two edges of days."""
    if (first, last) == (FIRST_DAY, LAST_DAY):
        return Pieces(("all",), ())
    periods: list[str] = []
    edges: list[tuple[date, date]] = []
    day = first
    while day <= last:
        whole = next((each for each in _starting_at(day) if days_of(each)[1] <= last), None)
        end = days_of(whole)[1] if whole else min(_month_end(day.year, day.month), last)
        if whole:
            periods.append(whole)
        else:
            edges.append((day, end))
        if end == LAST_DAY:
            break
        day = end + timedelta(days=1)
    return Pieces(tuple(periods), tuple(edges))


def _starting_at(day: date) -> list[str]:
    """The periods that begin on a day, the longest first."""
    if day.day != 1:
        return []
    month = f"{day.year:04d}-{day.month:02d}"
    if day.month % 3 != 1:
        return [month]
    quarter = f"{day.year:04d}-Q{(day.month + 2) // 3}"
    return [f"{day.year:04d}", quarter, month] if day.month == 1 else [quarter, month]
