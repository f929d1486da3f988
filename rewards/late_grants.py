"""Rewards that waited for an exchange rate: granted as soon as it is there, as they would have been."""

from datetime import date, timedelta

from sqlalchemy import delete, func
from sqlalchemy import select as select_columns
from sqlmodel import col, select

from core.access import CLOCK
from core.clock import now
from core.db import run, session, transaction
from core.one_by_one import one_by_one
from hub import actions
from referrals.conversions.conversion_rows import Conversion, lock
from referrals.conversions.reassignment import Reassignment
from referrals.conversions.refunds import refunds_of
from referrals.conversions.won import won_of
from rewards import grants
from rewards.rules.exchange_rates import ExchangeRate, NoRate, Rates, rates_of
from rewards.rules.rate_waits import ENTER, RateWait, subject
from rewards.taking_back import open_questions
from rewards.taking_back.reversals import reverse_for_refund

AT_ONCE = 500
STUCK_AFTER = timedelta(minutes=10)
Wanted = tuple[str, str, str, int]
"""unit, currency, currency, day"""


def grant_waiting() -> int:
    """Job: grant what waited for rates that are there now; answers how many; raises as one_by_one does."""
    with transaction():
        known = _known()
        actions.finish(ENTER, [subject(*each) for each in known], by=CLOCK)
        due = [key for each in known for key in _waiting_for(each)][:AT_ONCE]
    return one_by_one(due, _grant)


def _known() -> list[Wanted]:
    """The rates that somebody waits for and that are there."""
    columns = col(RateWait.unit_id), col(RateWait.base), col(RateWait.quote), col(RateWait.day)
    wanted = [tuple(row) for row in session().execute(select_columns(*columns).distinct())]
    rates = rates_of(_day(day) for _unit, _base, _quote, day in wanted)
    return [each for each in wanted if _is_there(rates, each)]


def _is_there(rates: Rates, wanted: Wanted) -> bool:
    unit_id, base, quote, day = wanted
    try:
        rates.between(base, quote, _day(day), unit_id)
    except NoRate:
        return False
    return True


def _waiting_for(wanted: Wanted) -> list[str]:
    unit_id, base, quote, day = wanted
    waits = select(RateWait.id).where(
        RateWait.unit_id == unit_id, RateWait.day == day, RateWait.base == base, RateWait.quote == quote
    )
    return list(session().exec(waits.order_by(col(RateWait.id)).limit(AT_ONCE)).all())


def _grant(wait_id: str) -> int:
    """Grant one, less what refunds took meanwhile; nothing when another clock did, or somebody else has the conversion."""
    wait = session().get(RateWait, wait_id)
    if wait is None or run(delete(RateWait).where(col(RateWait.id) == wait_id)) != 1:
        return 0
    lock(session().get_one(Conversion, wait.conversion_id))  # nobody gives it to somebody else meanwhile
    last = select(Reassignment.id).where(Reassignment.conversion_id == wait.conversion_id)
    reassigned = session().exec(last.order_by(col(Reassignment.id).desc()).limit(1)).first()
    if wait.due_key != (f"reassignment:{reassigned}" if reassigned else f"conversion:{wait.conversion_id}"):
        return 0
    if reassigned:
        grants.grant_again(wait.conversion_id, reassigned)
    else:
        grants.grant_for_conversions(won_of([wait.conversion_id]))
    for refund in refunds_of(wait.conversion_id):
        reverse_for_refund(refund.id)
    open_questions.hold_again(wait.conversion_id)
    return 1


def stuck() -> list[str]:
    """Check: the rates that are there for which somebody waits all the same, as sentences."""
    newest = session().exec(select(func.max(ExchangeRate.entered_at))).one()
    if newest is None or newest > now() - STUCK_AFTER:
        return []
    return [
        f"rewards wait for {base} in {quote} on {day}, which is known" for _unit, base, quote, day in _known()
    ]


def _day(number: int) -> date:
    return date(number // 10_000, number // 100 % 100, number % 100)
