"""Closing a period: approved lines become payouts, and their money is reserved, some thousand advocates at a time."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import col

from core.access import CLOCK, Actor, authorize
from core.clock import now
from core.db import dialect, session, transaction
from core.one_by_one import one_by_one
from hub.programmes import Programme, get_programme
from rewards.payouts.payout_sender import send_due
from rewards.payouts.periods import Period, last_closed
from rewards.payouts.run_steps import take_step
from rewards.payouts.runs import Payout, PayoutAttempt, PayoutRun, PayoutSkip
from rewards.payouts.schedule import has_run, hold

__all__ = [
    "Payout",
    "PayoutAttempt",
    "PayoutRun",
    "PayoutSkip",
    "close_begun",
    "prepare",
    "run_now",
    "send_due",
]


def prepare() -> int:
    """Job: begin the run of every programme whose period has closed, and close what was begun; answers how many began.

    Raises as one_by_one does.
    """
    with transaction(read_only=True):
        ids = session().execute(select(col(Programme.id))).scalars().all()
    try:
        return one_by_one(ids, _begin_due)
    finally:
        close_begun()


def close_begun() -> None:
    """Take step after step of every run that is being closed, each in a transaction of its own.

    Raises as one_by_one does: what failed is tried again by the next job.
    """
    while one_by_one(_begun(), _step_of):
        pass


def run_now(programme: Programme, *, by: Actor) -> PayoutRun | None:
    """Pay out what is approved up to now, outside the schedule; None when this minute has its run already.

    Its first some thousand advocates are paid at once, the others by the clock.
    """
    authorize(by, "payout.run", programme.unit_id)
    at = now()
    name = f"{at.astimezone(programme.zone):%Y-%m-%d %H:%M%z} by hand"
    made = _begin(programme, Period(name, at), by=by)
    if made is not None:
        take_step(made, by=by)
    return made


def _begin_due(programme_id: str) -> bool:
    programme = get_programme(programme_id)
    if _due(programme) is None:
        return False
    hold(programme)  # when payouts close may be changed just now
    period = _due(programme)
    if period is None:
        return False
    return _begin(programme, period, by=CLOCK) is not None


def _due(programme: Programme) -> Period | None:
    """The period that has closed and has no run yet."""
    period = last_closed(programme, now())
    return None if period is None or has_run(programme.id, period.name) else period


def _begin(programme: Programme, period: Period, *, by: Actor) -> PayoutRun | None:
    """The run's row; None when another clock made it first."""
    made = PayoutRun(
        programme_id=programme.id,
        unit_id=programme.unit_id,
        period=period.name,
        ends_at=period.ends_at,
        made_at=now(),
        made_by=by.id,
    )
    add = (pg_insert if dialect() == "postgresql" else sqlite_insert)(PayoutRun).values(made.model_dump())
    first = add.on_conflict_do_nothing(index_elements=["programme_id", "period"]).returning(col(PayoutRun.id))
    if session().execute(first).scalar_one_or_none() is None:
        return None
    return session().get_one(PayoutRun, made.id)


def _begun() -> list[str]:
    with transaction(read_only=True):
        open_ = select(col(PayoutRun.id)).where(col(PayoutRun.closed_at).is_(None))
        return list(session().execute(open_.order_by(col(PayoutRun.id))).scalars())


def _step_of(run_id: str) -> bool:
    made = session().get_one(PayoutRun, run_id)
    return take_step(made, by=CLOCK)
