"""The console's pages of payouts: runs, closings, what stopped, and who is in a run."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import Field
from sqlalchemy import and_, func, or_
from sqlalchemy import select as select_columns
from sqlmodel import col, select

from advocates.membership import Membership
from core.access import Actor
from core.db import session
from core.errors import NotFound
from core.inputs import Input
from core.money import Money
from core.paging import Page, page_of
from core.people import Person
from hub.programmes import Programme, paying_in
from rewards.payouts.periods import Period, next_closing
from rewards.payouts.runs import GONE, Payout, PayoutRun, PayoutSkip

SEE = "payout.see"
SHOWN = 1_000
"""payouts and skips of a run on its page"""


class RunNotFound(NotFound):
    """There is no such payout run."""


class RunsQuery(Input):
    """Which page of the runs."""

    after: str | None = Field(default=None, max_length=1_000)


@dataclass(frozen=True)
class RunRow:
    """A run as its row shows it."""

    id: str
    run: PayoutRun
    programme: Programme
    totals: Sequence[Money]
    states: Counter[str]
    skipped: int

    @property
    def gone(self) -> int:
        """How many payouts were sent, whatever became of them since."""
        return sum(self.states[each] for each in GONE)


@dataclass(frozen=True)
class Closing:
    """When a programme's next period closes; None for manual schedules."""

    programme: Programme
    period: Period | None

    @property
    def minimum(self) -> Money:
        """Less is carried over."""
        return Money(self.programme.payout_minimum_minor, self.programme.currency)


def get_run(run_id: str) -> PayoutRun:
    """The run with this id; raises RunNotFound."""
    run = session().get(PayoutRun, run_id)
    if run is None:
        raise RunNotFound
    return run


def runs_of(actor: Actor, query: RunsQuery) -> Page[RunRow]:
    """A page of the runs that the actor sees, the newest first."""
    wanted = select(PayoutRun).where(col(PayoutRun.unit_id).in_(actor.units_for(SEE)))
    page = page_of(wanted, (col(PayoutRun.id), "id"), after=query.after)
    return Page([row_of(each) for each in page.items], page.next)


def row_of(run: PayoutRun) -> RunRow:
    """A run with its sums and counts over all its payouts and skips."""
    grouped = (
        select_columns(
            col(Payout.currency), col(Payout.state), func.count(), func.sum(col(Payout.amount_minor))
        )
        .where(col(Payout.run_id) == run.id)
        .group_by(col(Payout.currency), col(Payout.state))
    )
    sums, states = Counter[str](), Counter[str]()
    for currency, state, count, amount in session().execute(grouped):
        sums[currency] += int(amount)
        states[state] += count
    skipped = session().exec(select(func.count()).where(PayoutSkip.run_id == run.id)).one()
    totals = [Money(amount, currency) for currency, amount in sums.most_common()]
    programme = session().get_one(Programme, run.programme_id)
    return RunRow(run.id, run, programme, totals, states, skipped)


def closings(actor: Actor, at: datetime) -> list[Closing]:
    """The next closing of every programme that the actor sees and that pays money, the soonest first."""
    found = [Closing(each, next_closing(each, at)) for each in paying_in(actor.units_for(SEE))]
    return sorted(
        found,
        key=lambda each: (each.period is None, each.period and each.period.ends_at, each.programme.name),
    )


def stopped(actor: Actor) -> list[Payout]:
    """Payouts that somebody has to look at."""
    waiting = select(Payout).where(
        col(Payout.unit_id).in_(actor.units_for(SEE)),
        or_(
            col(Payout.state).in_(("held", "rejected", "ambiguous")),
            and_(col(Payout.state) == "reserved", col(Payout.attempts) > 0),  # it waits for funds
            and_(col(Payout.state) == "reserved", col(Payout.provider) == "perk", col(Payout.reason) != ""),
        ),
    )
    return list(session().exec(waiting.order_by(col(Payout.id)).limit(SHOWN)).all())


def payouts_in(run_id: str) -> list[Payout]:
    """The payouts of a run, the largest first."""
    wanted = (
        select(Payout)
        .where(Payout.run_id == run_id)
        .order_by(col(Payout.amount_minor).desc(), col(Payout.id))
    )
    return list(session().exec(wanted.limit(SHOWN)).all())


def skips_in(run_id: str) -> list[PayoutSkip]:
    """Who got nothing from a run."""
    wanted = (
        select(PayoutSkip)
        .where(PayoutSkip.run_id == run_id)
        .order_by(col(PayoutSkip.reason), col(PayoutSkip.id))
    )
    return list(session().exec(wanted.limit(SHOWN)).all())


def people_of(membership_ids: set[str]) -> dict[str, tuple[int, str]]:
    """Membership → number and name."""
    wanted = (
        select_columns(col(Membership.id), col(Membership.number), col(Person.name))
        .join(Person, col(Person.id) == col(Membership.person_id))
        .where(col(Membership.id).in_(membership_ids))
    )
    return {key: (number, name) for key, number, name in session().execute(wanted)}
