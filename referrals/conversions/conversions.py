"""Conversions: leads and sales that arrive, each stored once, whose it was decided and explained."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, literal
from sqlalchemy import select as select_columns
from sqlmodel import col, select

from core.access import Actor
from core.db import session
from core.errors import NotFound
from referrals.conversions import refunds
from referrals.conversions.conversion_input import NewConversion, NewRefund
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion, Kind, Refund
from referrals.conversions.recording import (
    Arrival,
    ConversionDiffers,
    ConversionRecorded,
    ConversionsWon,
    Decided,
    NewRow,
    decide_all,
    known_for,
    store_all,
)
from referrals.conversions.refunds import RefundRecorded
from referrals.conversions.refunds_in import refund
from referrals.conversions.same_order import find_conversion

__all__ = [
    "AttributionCandidate", "Conversion", "ConversionDiffers", "ConversionNotFound", "ConversionRecorded",
    "ConversionsWon", "Kind",
    "NewConversion", "NewRefund", "Refund", "RefundRecorded", "candidates_of", "facts_leads", "facts_revenue",
    "facts_sales", "find_conversion", "get_conversion", "record", "record_all", "refund",
]  # fmt: skip


class ConversionNotFound(NotFound):
    """There is no such conversion."""


def record(new: NewConversion, *, by: Actor, unit_id: str) -> tuple[Conversion, bool]:
    """Store a conversion that the unit's shop brought, decide whose it is, and whether it is new.

    The same external_id and content again answers what is stored, also when a key of a unit below or above told it;
    other content by a key of the unit raises ConversionDiffers, except for an order that Stripe told first: it stands.
    Candidates are only links of the unit and those below it. Refunds that waited for it are applied.
    """
    (decided,) = record_all([Arrival(new, by.id, unit_id)])
    if isinstance(decided, ConversionDiffers):
        raise decided
    return get_conversion(decided.id), isinstance(decided, NewRow)


def record_all(arrivals: Sequence[Arrival]) -> list[Decided]:
    """Store many, each as if the ones before it were stored: a new row, the one there was, or why it is refused."""
    known = known_for(arrivals)
    decided = decide_all(arrivals, known)
    rows = [each for each in decided if isinstance(each, NewRow)]
    store_all(rows)
    for row in rows:
        if known.has_refunds(row.external_id) or known.is_won_beside_nobodys(row.unit_id, row):
            stored = get_conversion(row.id)
            refunds.apply_parked(stored)
            row.refunded_minor = stored.refunded_minor
    return decided


def get_conversion(conversion_id: str) -> Conversion:
    """The conversion with this id; raises ConversionNotFound."""
    conversion = session().get(Conversion, conversion_id)
    if conversion is None:
        raise ConversionNotFound
    return conversion


def candidates_of(conversion_ids: Sequence[str]) -> dict[str, list[AttributionCandidate]]:
    """Conversion → its candidates, in the order in which they were given."""
    found: dict[str, list[AttributionCandidate]] = {each: [] for each in conversion_ids}
    if not found:
        return found
    wanted = select(AttributionCandidate).where(col(AttributionCandidate.conversion_id).in_(conversion_ids))
    for row in session().exec(wanted.order_by(col(AttributionCandidate.position))):
        found[row.conversion_id].append(row)
    return found


def facts_leads() -> Select[Any]:
    """(metric, member_id, unit_id, day, value) of every won lead."""
    return _won(literal("leads"), literal(1), "lead")


def facts_sales() -> Select[Any]:
    """The same of every won sale, less those that were refunded in full, on the day of the refund that did."""
    return _together(_won(literal("sales"), literal(1), "sale"), refunds.facts_unsold())


def facts_revenue() -> Select[Any]:
    """The same of the revenue per currency, by shares where it is shared, less refunds on their own day."""
    name = literal("revenue:") + col(Conversion.currency)
    whole = _won(name, col(Conversion.amount_minor), "sale").where(col(Conversion.shared).is_(False))
    part = col(AttributionCandidate.share_minor)
    shares = _won(name, part, "sale", whose=col(AttributionCandidate.membership_id)).where(
        col(AttributionCandidate.conversion_id) == col(Conversion.id),
        col(AttributionCandidate.won).is_(True),
        col(Conversion.shared).is_(True),
    )
    return _together(whole, shares, refunds.facts_given_back(), refunds.facts_shares_given_back())


def _won(metric: Any, value: Any, kind: Kind, *, whose: Any = None) -> Select[Any]:  # noqa: ANN401 - columns of a SELECT
    columns: list[Any] = [
        metric.label("metric"),
        (col(Conversion.membership_id) if whose is None else whose).label("member_id"),
        col(Conversion.earning_unit_id).label("unit_id"),
        col(Conversion.day).label("day"),
        value.label("value"),
    ]
    return select_columns(*columns).where(
        col(Conversion.membership_id).is_not(None), col(Conversion.kind) == kind
    )


def _together(one: Select[Any], *others: Select[Any]) -> Select[Any]:
    return select_columns(one.union_all(*others).subquery())
