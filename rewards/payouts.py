"""Closing a period: approved lines become payouts, and their money is reserved, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import col

from advocates.membership import Membership
from core import audit
from core.access import CLOCK, Actor, authorize
from core.clock import day_number, now
from core.db import dialect, run, session, transaction
from core.ids import new_id
from core.money import POINTS, Money
from hub.programmes import Programme, get_programme
from rewards import accounts, ledger
from rewards.accounts import PayoutAccount
from rewards.ledger import Entry, Movement
from rewards.one_by_one import one_by_one
from rewards.payout_sender import send_due
from rewards.periods import Period, last_closed
from rewards.reward import Reward, content_hash
from rewards.runs import Payout, PayoutAttempt, PayoutRun, PayoutSkip, Reason
from rewards.stripe_units import payable_part

__all__ = ["Payout", "PayoutAttempt", "PayoutRun", "PayoutSkip", "prepare", "run_now", "send_due"]
CHUNK = 500


@dataclass(frozen=True)
class Owed:
    """What a period owes an advocate in a currency, and where it could go."""

    membership_id: str
    unit_id: str
    currency: str
    amount_minor: int
    lines: int
    account: PayoutAccount | None

    @property
    def money(self) -> Money:
        """The sum."""
        return Money(self.amount_minor, self.currency)


@dataclass(frozen=True)
class Skip:
    """Why somebody gets nothing this time."""

    reason: Reason
    sentence: str


def prepare() -> int:
    """Job: make the run of every programme whose period has closed and has none yet; answers how many.

    Raises as one_by_one does.
    """
    with transaction(read_only=True):
        ids = session().execute(select(col(Programme.id))).scalars().all()
    return one_by_one(ids, _prepare_one)


def _prepare_one(programme_id: str) -> bool:
    programme = get_programme(programme_id)
    period = last_closed(programme, now())
    if period is None or _has_run(programme_id, period.name):
        return False
    return _make_run(programme, period, by=CLOCK) is not None


def _has_run(programme_id: str, period: str) -> bool:
    known = select(col(PayoutRun.id)).where(
        col(PayoutRun.programme_id) == programme_id, col(PayoutRun.period) == period
    )
    return session().execute(known).first() is not None


def run_now(programme: Programme, *, by: Actor) -> PayoutRun | None:
    """Pay out what is approved up to now, outside the schedule; None when this minute has its run already."""
    authorize(by, "payout.run", programme.unit_id)
    at = now()
    name = f"{at.astimezone(programme.zone):%Y-%m-%d %H:%M} by hand"
    return _make_run(programme, Period(name, at), by=by)


def _make_run(programme: Programme, period: Period, *, by: Actor) -> PayoutRun | None:
    made = _new_run(programme, period, by)
    if made is None:
        return None
    _claim_lines(made)
    paid, skipped = [], []
    for owed in owed_in(col(Reward.run_id) == made.id):
        skip = decide(owed, programme)
        if skip is None:
            paid.append(owed)
        else:
            skipped.append((owed, skip))
    _let_go(made, skipped)
    _reserve(made, paid)
    facts = {"period": period.name, "payouts": len(paid), "skipped": len(skipped)}
    audit.record(by, "payout_run.made", "payout_run", made.id, unit_id=programme.unit_id, details=facts)
    session().expire_all()
    return made


def _new_run(programme: Programme, period: Period, by: Actor) -> PayoutRun | None:
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


def _claim_lines(made: PayoutRun) -> None:
    """Take every line of the period at once; what was approved at or after its end waits."""
    lines = update(Reward).where(
        col(Reward.programme_id) == made.programme_id,
        col(Reward.state) == "approved",
        col(Reward.run_id).is_(None),
        col(Reward.currency) != POINTS,
        col(Reward.payable_at) < made.ends_at,
    )
    run(lines.values(run_id=made.id).execution_options(synchronize_session=False))


def owed_in(which: Any, *, limit: int | None = None) -> list[Owed]:  # noqa: ANN401 - a SELECT's condition
    """What the lines that fulfil a condition owe, per advocate and currency."""
    total = (
        select(
            col(Reward.membership_id),
            col(Reward.unit_id),
            col(Reward.currency),
            func.sum(col(Reward.amount_minor)),
            func.count(),
            PayoutAccount,
        )
        .join(Membership, col(Membership.id) == col(Reward.membership_id))
        .outerjoin(PayoutAccount, col(PayoutAccount.person_id) == col(Membership.person_id))
        .where(which)
        .group_by(col(Reward.membership_id), col(Reward.unit_id), col(Reward.currency), col(PayoutAccount.id))
        .order_by(col(Reward.membership_id), col(Reward.currency))
        .limit(limit)
    )
    return [
        Owed(member, unit, currency, int(amount), lines, account)
        for member, unit, currency, amount, lines, account in session().execute(total)
    ]


def decide(owed: Owed, programme: Programme) -> Skip | None:
    """Why this is not paid out this time, None when it is; the minimum speaks of the programme's currency only."""
    if owed.amount_minor < 0:
        more = "More was taken back than is owed; the next rewards offset it."
        return Skip("negative", f"{owed.money.format()}: {more}")
    if payable_part(owed.amount_minor, owed.currency) <= 0:
        return Skip("nothing_left", "There is nothing left to pay out.")
    if owed.currency == programme.currency and owed.amount_minor < programme.payout_minimum_minor:
        least = Money(programme.payout_minimum_minor, programme.currency).format()
        return Skip("below_minimum", f"{owed.money.format()} is below the minimum of {least}: carried over.")
    standing = accounts.standing(owed.account)
    if standing in {"none", "unfinished"}:
        return Skip("no_account", accounts.WHY_NOT[standing])
    if standing != "ready":
        return Skip("account_restricted", accounts.WHY_NOT[standing])
    return None


def _let_go(made: PayoutRun, skipped: Sequence[tuple[Owed, Skip]]) -> None:
    """Note who got nothing and why; their lines wait for the next run."""
    rows = [
        {
            "id": new_id(),
            "run_id": made.id,
            "membership_id": owed.membership_id,
            "currency": owed.currency,
            "amount_minor": owed.amount_minor,
            "reason": skip.reason,
            "sentence": skip.sentence,
        }
        for owed, skip in skipped
    ]
    if not rows:
        return
    session().execute(insert(PayoutSkip), rows)
    mine = select(col(PayoutSkip.id)).where(
        col(PayoutSkip.run_id) == made.id,
        col(PayoutSkip.membership_id) == col(Reward.membership_id),
        col(PayoutSkip.currency) == col(Reward.currency),
    )
    lines = update(Reward).where(col(Reward.run_id) == made.id, mine.exists())
    run(lines.values(run_id=None).execution_options(synchronize_session=False))


def _reserve(made: PayoutRun, paid: Sequence[Owed]) -> None:
    """Make the payouts, tie the lines to them and reserve their money."""
    at = now()
    rests = [
        _carry(made, owed, at)
        for owed in paid
        if payable_part(owed.amount_minor, owed.currency) != owed.amount_minor
    ]
    if rests:
        session().execute(insert(Reward), [row for pair in rests for row in pair])
    rows = [_payout_row(made, owed, at) for owed in paid]
    if not rows:
        return
    session().execute(insert(Payout), rows)
    theirs = select(col(Payout.id)).where(
        col(Payout.run_id) == made.id,
        col(Payout.membership_id) == col(Reward.membership_id),
        col(Payout.currency) == col(Reward.currency),
    )
    lines = update(Reward).where(col(Reward.run_id) == made.id)
    tied = lines.values(state="in_payout", payout_id=theirs.scalar_subquery())
    run(tied.execution_options(synchronize_session=False))
    ledger.post_all([_reservation(row) for row in rows])


def _payout_row(made: PayoutRun, owed: Owed, at: datetime) -> dict[str, Any]:
    account = owed.account.stripe_account_id if owed.account else None
    payout = Payout(
        run_id=made.id,
        programme_id=made.programme_id,
        unit_id=owed.unit_id,
        membership_id=owed.membership_id,
        currency=owed.currency,
        amount_minor=payable_part(owed.amount_minor, owed.currency),
        lines=owed.lines,
        destination=account or "",
        due_at=at,
        made_at=at,
    )
    return payout.model_dump()


def _reservation(row: dict[str, Any]) -> Entry:
    member = row["membership_id"]
    move = Movement(ledger.payable(member), ledger.reserved(member), row["amount_minor"], row["currency"])
    return Entry(f"payout.reserved:{row['id']}", "payout.reserved", row["id"], (move,))


def _carry(made: PayoutRun, owed: Owed, at: datetime) -> tuple[dict[str, Any], dict[str, Any]]:
    """What this currency cannot pay out moves to the next run: one line takes it away, one brings it back then."""
    rest = owed.amount_minor - payable_part(owed.amount_minor, owed.currency)
    says = f"{Money(rest, owed.currency).format()} cannot be paid out in {owed.currency}: carried to the next payout"
    lines = []
    for amount, run_id in ((-rest, made.id), (rest, None)):
        line = Reward(
            grant_key=f"carry:{made.id}:{owed.membership_id}:{owed.currency}:{'out' if run_id else 'in'}",
            membership_id=owed.membership_id,
            programme_id=made.programme_id,
            unit_id=owed.unit_id,
            kind="carry",
            currency=owed.currency,
            granted_minor=amount,
            amount_minor=amount,
            arithmetic=says,
            state="approved",
            approved_by=CLOCK.id,
            approved_at=at,
            payable_at=at,
            run_id=run_id,
            occurred_at=at,
            day=day_number(at),
            made_at=at,
        )
        line.content_hash = content_hash(line)
        lines.append(line.model_dump())
    return lines[0], lines[1]
