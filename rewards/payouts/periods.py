"""When a payout period closes: at local midnight in the programme's own zone, half-open, computed at run time."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hub.programmes import Programme

WEEK = 7


@dataclass(frozen=True)
class Period:
    """A period is named by the local date on which it closed; what was approved before `ends_at` belongs to it."""

    name: str
    ends_at: datetime


def last_closed(programme: Programme, at: datetime) -> Period | None:
    """The newest period that has closed at a moment; None for manual schedules and before the programme began."""
    if programme.payout_schedule == "manual":
        return None
    today = at.astimezone(programme.zone).date()
    day = _closing_on_or_before(programme, today)
    period = _period(day, programme.zone)
    return period if period.ends_at > programme.created_at else None


def next_closing(programme: Programme, at: datetime) -> Period | None:
    """The next period to close after a moment; None for manual schedules."""
    if programme.payout_schedule == "manual":
        return None
    today = at.astimezone(programme.zone).date()
    day = _closing_on_or_before(programme, today)
    while (period := _period(day, programme.zone)).ends_at <= at:
        day = _following(programme, day)
    return period


def _period(day: date, zone: ZoneInfo) -> Period:
    # In a night whose midnight does not exist, this is the moment at which the clocks jump.
    midnight = datetime.combine(day, time.min, tzinfo=zone)
    return Period(day.isoformat(), midnight.astimezone(UTC))


def _closing_on_or_before(programme: Programme, today: date) -> date:
    if programme.payout_schedule == "weekly":
        return today - timedelta(days=(today.isoweekday() - programme.payout_day) % WEEK)
    this_month = _day_of_month(today.year, today.month, programme.payout_day)
    if this_month <= today:
        return this_month
    last = today.replace(day=1) - timedelta(days=1)
    return _day_of_month(last.year, last.month, programme.payout_day)


def _following(programme: Programme, day: date) -> date:
    if programme.payout_schedule == "weekly":
        return day + timedelta(days=WEEK)
    next_month = day.replace(day=1) + timedelta(days=monthrange(day.year, day.month)[1])
    return _day_of_month(next_month.year, next_month.month, programme.payout_day)


def _day_of_month(year: int, month: int, day: int) -> date:
    """That day, or the month's last one."""
    return date(year, month, min(day, monthrange(year, month)[1]))
