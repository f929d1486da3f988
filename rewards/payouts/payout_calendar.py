"""The payout calendar: when each programme's periods close, what the next one would pay as of now, and what waits and why."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from operator import attrgetter

from sqlalchemy import func, select
from sqlmodel import col

from core.access import Actor
from core.db import session
from core.money import POINTS, Money
from hub.programmes import Programme, paying_in
from rewards.payouts.owed import owed_in, verdicts
from rewards.payouts.payout_preview import waiting_in
from rewards.payouts.periods import Period, next_closing
from rewards.payouts.providers import PAID
from rewards.reward import Reward

AHEAD = timedelta(days=92)


@dataclass(frozen=True)
class Waiting:
    """Some who would get nothing, with the reason that they share."""

    sentence: str
    advocates: int
    sums: Sequence[Money]


@dataclass(frozen=True)
class Outlook:
    """What a run would do if it were made now."""

    paid: Sequence[Money]
    """per currency"""
    payouts: int
    waiting: Sequence[Waiting]
    to_approve: Sequence[Money]
    """what joins it once somebody approves it"""


@dataclass(frozen=True)
class Closing:
    """One closing; `outlook` is of the programme's next one, None of later ones."""

    programme: Programme
    period: Period | None
    """None for manual schedules: whenever finance makes a run"""
    outlook: Outlook | None

    @property
    def day(self) -> date | None:
        """The local day whose midnight closes it."""
        return self.period.ends_at.astimezone(self.programme.zone).date() if self.period else None

    @property
    def month(self) -> str:
        """`2026-11`; `~`, which sorts last, for those made by hand."""
        return f"{self.day:%Y-%m}" if self.day else "~"


def calendar(actor: Actor, right: str, at: datetime) -> list[Closing]:
    """Every closing of the next 92 days in the units where the actor has the right, by day; then those made by hand."""
    found = [each for one in paying_in(actor.units_for(right)) for each in _closings(one, at)]
    return sorted(found, key=lambda each: (each.period is None, each.period and each.period.ends_at))


def _closings(programme: Programme, at: datetime) -> Iterator[Closing]:
    period = next_closing(programme, at)
    yield Closing(programme, period, outlook(programme))
    while period is not None:
        period = next_closing(programme, period.ends_at)
        if period is None or period.ends_at > at + AHEAD:
            return
        yield Closing(programme, period, None)


def outlook(programme: Programme) -> Outlook:
    """What a run of a programme would do now."""
    of, said = owed_in(waiting_in(programme), programme).subquery().c, verdicts(programme)
    grouped = select(
        of.verdict, of.currency, func.count(), func.sum(of.amount), func.sum(of.payable)
    ).group_by(of.verdict, of.currency)
    advocates = select(of.verdict, func.count(of.member_id.distinct())).group_by(of.verdict)
    paid: list[Money] = []
    payouts, waiting = 0, defaultdict[str, list[Money]](list)
    for verdict, currency, count, amount, payable in session().execute(grouped.order_by(of.currency)):
        if verdict == PAID:
            payouts += count
            paid.append(Money(int(payable), currency))
        else:
            waiting[verdict].append(Money(int(amount), currency))
    many: dict[str, int] = {}
    if waiting:
        many |= {verdict: int(count) for verdict, count in session().execute(advocates)}
    reasons = [Waiting(said[each].sentence, many[each], sums) for each, sums in waiting.items()]
    return Outlook(paid, payouts, sorted(reasons, key=attrgetter("sentence")), _to_approve(programme))


def _to_approve(programme: Programme) -> list[Money]:
    wanted = (
        select(col(Reward.currency), func.sum(col(Reward.amount_minor)))
        .where(
            col(Reward.programme_id) == programme.id,
            col(Reward.state) == "approvable",
            col(Reward.currency) != POINTS,
        )
        .group_by(col(Reward.currency))
        .order_by(col(Reward.currency))
    )
    return [Money(int(amount), currency) for currency, amount in session().execute(wanted)]
