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

    A threshold counts what a person was paid in the year of the programme's zone in its currency, and how often in any, in
    every programme, with what is on its way and this payout. Once one is reached, payouts in every currency stop; what
    currencies that no threshold speaks of sum to is not counted.
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
    times = _of_this_year(func.count(col(Payout.id)), true(), begins_at)
    often = [times + 1 >= each.payments for each in rules if each.payments]
    much = []
    for least in (each.at_least for each in rules):
        summed = func.coalesce(func.sum(col(Payout.amount_minor)), 0)
        paid = _of_this_year(summed, col(Payout.currency) == least.currency, begins_at)
        this = case((currency == least.currency, amount), else_=0)
        much.append(paid + this >= least.amount_minor)
    return or_(*often, *much)


def _of_this_year(
    what: ColumnElement[int], those: ColumnElement[bool], begins_at: datetime
) -> ScalarSelect[int]:
    """Over the payouts of the person of the outer query's Membership, of those that fulfil a condition."""
    theirs = aliased(Membership)
    gone = and_(col(Payout.state).in_(GONE), paid_at() >= begins_at)
    return (
        select(what)
        .join(theirs, col(theirs.id) == col(Payout.membership_id))
        .where(
            col(theirs.person_id) == col(Membership.person_id),
            those,
            or_(gone, col(Payout.state).in_(OWED)),
        )
        .correlate_except(Payout, theirs)
        .scalar_subquery()
    )
