"""When a payout period closes: at local midnight in the programme's own zone, half-open, computed at run time."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from hub.programmes import Schedule

WEEK = 7


class Clockwork(Protocol):
    """When payouts close: a programme's, or what it could be."""

    @property
    def payout_schedule(self) -> Schedule:
        """How often."""

    @property
    def payout_day(self) -> int:
        """On which day of the month or week."""

    @property
    def zone(self) -> ZoneInfo:
        """Where it is midnight."""

    @property
    def payouts_close_since(self) -> datetime:
        """Since when it is so: what would have closed before is no closing of it."""


@dataclass(frozen=True)
class Period:
    """A period is named by the local date on which it closed; what was approved before `ends_at` belongs to it."""

    name: str
    ends_at: datetime


def last_closed(clockwork: Clockwork, at: datetime) -> Period | None:
    """The newest period that has closed at a moment; None for manual schedules and before this clockwork began."""
    if clockwork.payout_schedule == "manual":
        return None
    today = at.astimezone(clockwork.zone).date()
    day = _closing_on_or_before(clockwork, today)
    period = _period(day, clockwork.zone)
    return period if period.ends_at > clockwork.payouts_close_since else None


def next_closing(clockwork: Clockwork, at: datetime) -> Period | None:
    """The next period to close after a moment; None for manual schedules."""
    if clockwork.payout_schedule == "manual":
        return None
    today = at.astimezone(clockwork.zone).date()
    day = _closing_on_or_before(clockwork, today)
    while (period := _period(day, clockwork.zone)).ends_at <= at:
        day = _following(clockwork, day)
    return period


def _period(day: date, zone: ZoneInfo) -> Period:
    # In a night whose midnight does not exist, this is the moment at which the clocks jump.
    midnight = datetime.combine(day, time.min, tzinfo=zone)
    return Period(day.isoformat(), midnight.astimezone(UTC))


def _closing_on_or_before(clockwork: Clockwork, today: date) -> date:
    if clockwork.payout_schedule == "weekly":
        return today - timedelta(days=(today.isoweekday() - clockwork.payout_day) % WEEK)
    this_month = _day_of_month(today.year, today.month, clockwork.payout_day)
    if this_month <= today:
        return this_month
    last = today.replace(day=1) - timedelta(days=1)
    return _day_of_month(last.year, last.month, clockwork.payout_day)


def _following(clockwork: Clockwork, day: date) -> date:
    if clockwork.payout_schedule == "weekly":
        return day + timedelta(days=WEEK)
    next_month = day.replace(day=1) + timedelta(days=monthrange(day.year, day.month)[1])
    return _day_of_month(next_month.year, next_month.month, clockwork.payout_day)


def _day_of_month(year: int, month: int, day: int) -> date:
    """That day, or the month's last one."""
    return date(year, month, min(day, monthrange(year, month)[1]))
