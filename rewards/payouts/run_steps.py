"""A run is closed in steps of some thousand advocates, each its own transaction: what breaks off goes on where it was.

In a step everything is a statement over all of its advocates. The step moves the run's mark first, so that two clocks
never take the same one, then locks the lines, so that two runs never take the same line, and ties just those to the payouts
that it made of them, in one UPDATE; whoever gets nothing keeps theirs as they are.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Insert,
    Text,
    Update,
    any_,
    case,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlmodel import col

from core import audit
from core.access import CLOCK, Actor
from core.clock import now
from core.columns import UtcDateTime
from core.db import dialect, run, session, update_one
from core.ids_in_sql import FreshId
from core.money import POINTS, Money
from core.rollups import table_of
from hub.programmes import Programme, get_programme
from rewards.ledger import ledger
from rewards.ledger.ledger_selected import Selected, account_of, post_selected
from rewards.payouts.carrying import Inside, Whose, carry_line
from rewards.payouts.owed import owed_in, verdicts
from rewards.payouts.providers import PAID, carrier_of
from rewards.payouts.runs import Payout, PayoutRun, PayoutSkip
from rewards.reward import Reward
from rewards.taking_back import write_offs
from rewards.tax.tax_gate import count_alone

ADVOCATES = 5_000
"""of a step"""


@dataclass(frozen=True)
class _Step:
    """The advocates of a run after one, up to another."""

    made: PayoutRun
    programme: Programme
    after: str
    upto: str
    at: datetime

    def has(self, member_id: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a column
        """Whether a membership is in it."""
        return (col(member_id) > self.after) & (col(member_id) <= self.upto)

    @property
    def lines(self) -> ColumnElement[bool]:
        """Those that it may take."""
        return _waits(self.made) & self.has(Reward.membership_id)


def take_step(made: PayoutRun, *, by: Actor) -> bool:
    """Pay the next advocates of a run that is being closed; False when another clock does, or it is closed."""
    after, (upto, many) = made.upto, _next(made)
    marks: dict[str, Any] = {"upto": upto} if many == ADVOCATES else {"upto": upto, "closed_at": now()}
    unmoved = (col(PayoutRun.upto) == after) & col(PayoutRun.closed_at).is_(None)
    here = update(PayoutRun).where(col(PayoutRun.id) == made.id, unmoved).values(**marks)
    if not update_one(here.execution_options(synchronize_session=False)):
        return False
    if many:
        _pay(_Step(made, get_programme(made.programme_id), after, upto, now()))
    session().expire_all()
    if many < ADVOCATES:
        _say_closed(made, by)
    return True


def _next(made: PayoutRun) -> tuple[str, int]:
    """The last of the next advocates with lines that wait, and how many they are."""
    members = (
        select(col(Reward.membership_id).label("id"))
        .where(_waits(made), col(Reward.membership_id) > made.upto)
        .group_by(col(Reward.membership_id))
        .order_by(col(Reward.membership_id))
        .limit(ADVOCATES)
        .subquery()
    )
    last, many = session().execute(select(func.max(members.c.id), func.count(members.c.id))).one()
    return last or made.upto, many


def _waits(made: PayoutRun) -> ColumnElement[bool]:
    """Approved in the run's period and in no run; what was approved at or after its end waits for the next."""
    return (
        (col(Reward.programme_id) == made.programme_id)
        & (col(Reward.state) == literal("approved", literal_execute=True))  # as in the index
        & col(Reward.run_id).is_(None)
        & (col(Reward.currency) != POINTS)
        & (col(Reward.payable_at) < made.ends_at)
    )


def _pay(step: _Step) -> None:
    count_alone(step.programme)
    _settle(step, _locked(step))
    write_offs.end_within((col(Reward.run_id) == step.made.id) & step.has(Reward.membership_id))
    _carry(step)
    _reserve(step)


def _locked(step: _Step) -> ColumnElement[bool]:
    """Its lines, from here on: nobody else takes them, or takes back their approval, until we commit.

    On PostgreSQL each statement sees what was committed before it, a line that was just approved too; so they are named
    here, and no statement knows others. On SQLite whoever writes is alone anyway.
    """
    if dialect() == "sqlite":
        return step.lines
    ids = session().execute(select(col(Reward.id)).where(step.lines).with_for_update()).scalars().all()
    return col(Reward.id) == any_(literal(ids, ARRAY(Text)))


def _settle(step: _Step, lines: ColumnElement[bool]) -> None:
    """Payouts with their lines, and skips: everybody is in one of them, by one look at their account and their form."""
    owed = owed_in(lines, step.programme)
    if dialect() == "sqlite":
        still = owed.subquery()
        run(_payouts(step, still))
        run(_tied(step, lines))
        run(_skips(step, still))  # last, when only they still wait: the others are not looked at again
    else:
        once = owed.cte("owed")
        run(_payouts(step, once).add_cte(_skips(step, once).cte("skips")))
        run(_tied(step, lines))


def _skips(step: _Step, owed: FromClause) -> Insert:
    """Note who gets nothing and why; their lines wait for the next run."""
    of, said = owed.c, verdicts(step.programme)
    reason = case({each: skip.reason for each, skip in said.items()}, value=of.verdict)
    sentence = case({each: skip.sentence for each, skip in said.items()}, value=of.verdict)
    rows = select(FreshId(), literal(step.made.id), of.member_id, of.currency, of.amount, reason, sentence)
    names = ["id", "run_id", "membership_id", "currency", "amount_minor", "reason", "sentence"]
    return insert(table_of(PayoutSkip)).from_select(
        names, rows.where(of.verdict != PAID), include_defaults=False
    )


def _tied(step: _Step, lines: ColumnElement[bool]) -> Update:
    """Put lines into the payout of their advocate and currency."""
    its, line = table_of(Payout).c, table_of(Reward).c
    theirs = (its.membership_id == line.membership_id) & (its.currency == line.currency)
    tied = update(table_of(Reward)).where(lines, its.run_id == step.made.id, theirs)
    return tied.values(state="in_payout", run_id=step.made.id, payout_id=its.id)


def _payouts(step: _Step, owed: FromClause) -> Insert:
    of, at = owed.c, literal(step.at, UtcDateTime())
    columns: dict[str, Any] = {
        "id": FreshId(),
        "run_id": literal(step.made.id),
        "programme_id": literal(step.made.programme_id),
        "unit_id": of.unit_id,
        "membership_id": of.member_id,
        "currency": of.currency,
        "amount_minor": of.payable,
        "lines": of.lines,
        "destination": of.destination,
        "provider": of.provider,
        "due_at": at,
        "made_at": at,
        **{name: literal(value) for name, value in _AT_FIRST.items()},
    }
    rows = select(*columns.values()).where(of.verdict == PAID)
    return insert(table_of(Payout)).from_select(list(columns), rows, include_defaults=False)


_AT_FIRST: dict[str, Any] = {
    "state": "reserved",
    **dict.fromkeys(("reason", "reference", "bank_payout"), ""),
    **dict.fromkeys(("attempts", "tries", "fence"), 0),
}


def _carry(step: _Step) -> None:
    """What a payout leaves of its lines moves to the next run: one line takes it out of this one, one brings it back then."""
    summed = func.sum(col(Reward.amount_minor))
    rests = (
        select(
            col(Payout.membership_id),
            col(Payout.unit_id),
            col(Payout.currency),
            summed - col(Payout.amount_minor),
            col(Payout.id),
        )
        .join(Reward, col(Reward.payout_id) == col(Payout.id))
        .where(col(Payout.run_id) == step.made.id, step.has(Payout.membership_id))
        .where(
            carrier_of(step.programme, col(Payout.currency)).leaves_rest | (col(Payout.provider) == "perk")
        )
        .group_by(col(Payout.id))
        .having(summed != col(Payout.amount_minor))
    )
    lines = [
        _carried(step, member, unit, Money(int(rest), currency), out_of=out_of)
        for member, unit, currency, rest, payout_id in session().execute(rests)
        for out_of in (payout_id, None)
    ]
    if lines:
        session().execute(insert(Reward), lines)


def _carried(step: _Step, member_id: str, unit_id: str, rest: Money, *, out_of: str | None) -> dict[str, Any]:
    """The line in a payout that takes the rest out of it, or the one that brings it back with the next."""
    line = carry_line(
        Whose(member_id, step.made.programme_id, unit_id),
        rest,
        key=f"carry:{step.made.id}:{member_id}:{rest.currency}",
        says=f"{rest.format()} cannot be paid out now: carried to the next payout",
        by=CLOCK,
        at=step.at,
        out_of=Inside(step.made.id, out_of, "in_payout") if out_of else None,
    )
    return line.model_dump()


def _reserve(step: _Step) -> None:
    payout = table_of(Payout)
    its, member = payout.c, payout.c.membership_id
    rows = Selected(
        where=(its.run_id == step.made.id) & step.has(Payout.membership_id),
        key=literal("payout.reserved:") + its.id,
        subject=its.id,
        source=account_of(member, ledger.payable),
        destination=account_of(member, ledger.reserved),
        amount=its.amount_minor,
        currency=its.currency,
    )
    post_selected("payout.reserved", rows)


def _say_closed(made: PayoutRun, by: Actor) -> None:
    paid = select(func.count()).where(col(Payout.run_id) == made.id)
    skipped = select(func.count()).where(col(PayoutSkip.run_id) == made.id)
    facts = {
        "period": made.period,
        "payouts": session().execute(paid).scalar_one(),
        "skipped": session().execute(skipped).scalar_one(),
    }
    audit.record(by, "payout_run.made", "payout_run", made.id, unit_id=made.unit_id, details=facts)
