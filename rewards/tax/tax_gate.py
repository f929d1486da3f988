"""Whether somebody may be paid before their tax form is accepted: as the programme says, from the first cent or from a threshold on."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, and_, case, func, literal, or_, select, true
from sqlalchemy.orm import aliased
from sqlmodel import col

from advocates.membership import Membership
from core.clock import now
from core.db import dialect, session
from hub.programmes import Programme
from rewards.payouts.paid_when import paid_at
from rewards.payouts.runs import GONE, OWED, Payout
from rewards.tax.tax_forms import standing_in_sql
from rewards.tax.tax_thresholds import in_force

WHY_NOT: Mapping[str, str] = {
    "missing": "No tax form has been given.",
    "waits": "The tax form waits for finance to accept it.",
    "returned": "The tax form was returned: it has to be given again.",
    "expired": "The tax form is no longer valid: it has to be given again.",
}


LOCK = 7_376_002
"""any number of our own"""


def count_alone(programme: Programme) -> None:
    """Until the commit nobody else makes payouts that this programme counts towards a threshold, in whatever programme.

    Who counts is alone; who does not goes on beside others that do not. SQLite has one writer at a time anyway.
    """
    if dialect() == "postgresql":
        counts = programme.tax_forms == "threshold"
        lock = func.pg_advisory_xact_lock if counts else func.pg_advisory_xact_lock_shared
        session().execute(select(lock(LOCK)))


def closed(programme: Programme, currency: ColumnElement[str], amount: ColumnElement[int]) -> Any:  # noqa: ANN401 - (condition, value) of a CASE
    """When a payout stops here, and as which of WHY_NOT, prefixed `tax_`; over Membership and TaxForm, outer joined.

    A threshold counts what a person was paid in the year of the programme's zone in the same currency, in every programme,
    with what is on its way and this payout; a currency that no threshold speaks of is not stopped.
    """
    at = now()
    standing = standing_in_sql(at)
    needed = true() if programme.tax_forms == "always" else _reached(programme, currency, amount, at)
    return and_(standing != "accepted", needed), literal("tax_") + standing


def _reached(
    programme: Programme, currency: ColumnElement[str], amount: ColumnElement[int], at: datetime
) -> ColumnElement[bool]:
    local = at.astimezone(programme.zone)
    begins_at = datetime(local.year, 1, 1, tzinfo=programme.zone).astimezone(UTC)
    rules = in_force(local.year)
    least = case({each.at_least.currency: each.at_least.amount_minor for each in rules}, value=currency)
    payments = case(
        {each.at_least.currency: each.payments for each in rules if each.payments}, value=currency
    )
    paid = _of_this_year(func.coalesce(func.sum(col(Payout.amount_minor)), 0), currency, begins_at)
    times = _of_this_year(func.count(col(Payout.id)), currency, begins_at)
    return or_(paid + amount >= least, times + 1 >= payments)


def _of_this_year(
    what: ColumnElement[int], currency: ColumnElement[str], begins_at: datetime
) -> ScalarSelect[int]:
    """Over the payouts of the person of the outer query's Membership."""
    theirs = aliased(Membership)
    gone = and_(col(Payout.state).in_(GONE), paid_at() >= begins_at)
    return (
        select(what)
        .join(theirs, col(theirs.id) == col(Payout.membership_id))
        .where(
            col(theirs.person_id) == col(Membership.person_id),
            col(Payout.currency) == currency,
            or_(gone, col(Payout.state).in_(OWED)),
        )
        .correlate_except(Payout, theirs)
        .scalar_subquery()
    )
