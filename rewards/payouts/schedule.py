"""When a programme's payouts close, changed: shown first, and from the next closing on.

What was approved waits for the first closing of the new clockwork; no line is paid twice or left out, because a run takes
whatever is approved and in no payout yet.
"""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlmodel import col, select

from core.access import Actor, authorize
from core.clock import now
from core.db import session
from core.errors import Conflict
from hub.programmes import Programme, Schedule, change, require_payout_day
from rewards.payouts.periods import Clockwork, Period, last_closed, next_closing
from rewards.payouts.runs import PayoutRun

RIGHT = "payout.run"


class ClosingIsDue(Conflict):
    """A period has just closed, and its run is made by the clock within a minute. Change this once it is there."""


class ScheduleMoved(Conflict):
    """Somebody changed when payouts close meanwhile. Please look at it again."""


class NothingChanges(Conflict):
    """Payouts close like this already."""


@dataclass(frozen=True)
class Effect:
    """The next closing as it is, and as it would be; None for payouts by hand."""

    before: Period | None
    after: Period | None


@dataclass(frozen=True)
class Wanted:
    """Another clockwork for a programme, from now on."""

    payout_schedule: Schedule
    payout_day: int
    zone: ZoneInfo
    payouts_close_since: datetime


def wanted(programme: Programme, schedule: Schedule, day: int) -> Wanted:
    """This schedule for a programme; raises WrongPayoutDay."""
    require_payout_day(schedule, day)
    return Wanted(schedule, day, programme.zone, now())


def name_of(clockwork: Clockwork) -> str:
    """`monthly 1`, `weekly 5`, `manual`: what whoever changes it has seen."""
    by_hand = clockwork.payout_schedule == "manual"
    return clockwork.payout_schedule if by_hand else f"{clockwork.payout_schedule} {clockwork.payout_day}"


def seen_of(programme: Programme) -> str:
    """How payouts close and when next, as whoever changes it sees them: `monthly 1, 2027-11`."""
    coming = next_closing(programme, now())
    return f"{name_of(programme)}, {coming.name}" if coming else name_of(programme)


def effect(programme: Programme, another: Clockwork) -> Effect:
    """What would change."""
    return Effect(next_closing(programme, now()), next_closing(another, now()))


def change_schedule(programme: Programme, another: Wanted, *, seen: str, by: Actor) -> None:
    """Close payouts like this from the next closing on; `seen` is the `seen_of` what whoever changes it saw.

    Raises Forbidden, ScheduleMoved, NothingChanges, ClosingIsDue.
    """
    authorize(by, RIGHT, programme.unit_id)
    hold(programme)
    due = last_closed(programme, now())
    if due is not None and not has_run(programme.id, due.name):
        raise ClosingIsDue
    if seen_of(programme) != seen:
        raise ScheduleMoved
    if name_of(another) == name_of(programme):
        raise NothingChanges
    programme.payouts_changed_at = now()
    values = {"payout_schedule": another.payout_schedule, "payout_day": another.payout_day}
    change(programme, values, by=by)


def hold(programme: Programme) -> None:
    """Read it again, and let nobody else change it until the commit; rows that only name it may be written meanwhile."""
    session().refresh(programme, with_for_update={"key_share": True})


def has_run(programme_id: str, period: str) -> bool:
    """Whether the run of a period is there."""
    known = select(PayoutRun.id).where(
        col(PayoutRun.programme_id) == programme_id, col(PayoutRun.period) == period
    )
    return session().exec(known).first() is not None
