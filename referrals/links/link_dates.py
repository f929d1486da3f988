"""From when until when a link runs: people say days of the programme's time zone, rows hold moments."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from core.clock import in_zone, now
from core.errors import Invalid

LONGEST = timedelta(days=5 * 366)
LATEST = LONGEST + timedelta(days=2)
"""from now: the last of these days has ended by then, wherever it is a day"""
BEHIND = timedelta(minutes=5)
"""so much the clock of a machine may be behind ours"""


class StartsTooEarly(Invalid):
    """A link starts today at the earliest, and within five years."""


class EndsTooEarly(Invalid):
    """The last day of a link is today at the earliest, not before its first, and within five years."""


def first_moment(day: date | None, zone: ZoneInfo) -> datetime:
    """When a link starts whose first day this is; today and no day mean now. Raises StartsTooEarly."""
    today = now().astimezone(zone).date()
    if day is None or day == today:
        return now()
    if not today < day <= today + LONGEST:
        raise StartsTooEarly
    return _midnight(day, zone)


def end_after(day: date | None, zone: ZoneInfo) -> datetime | None:
    """When a link ends whose last day this is: with the next day's first moment; None for none. Raises EndsTooEarly."""
    if day is None:
        return None
    today = now().astimezone(zone).date()
    if not today <= day <= today + LONGEST:
        raise EndsTooEarly
    return _midnight(day + timedelta(days=1), zone)


def first_day(starts_at: datetime, zone: ZoneInfo) -> date:
    """The first day of a link that starts then."""
    return in_zone(starts_at, zone).date()


def last_day(ends_at: datetime | None, zone: ZoneInfo) -> date | None:
    """The last day of a link that ends then; None for one that does not."""
    return None if ends_at is None else in_zone(ends_at - timedelta(microseconds=1), zone).date()


def require_dates(starts_at: datetime, ends_at: datetime | None) -> None:
    """The rule of every door for a link that starts and ends then; raises StartsTooEarly, EndsTooEarly."""
    latest = now() + LATEST
    if not now() - BEHIND <= starts_at <= latest:
        raise StartsTooEarly("A link starts now at the earliest, and within five years.")
    if ends_at is not None and not starts_at < ends_at <= latest:
        raise EndsTooEarly("A link ends after now and after its start, and within five years.")


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)
