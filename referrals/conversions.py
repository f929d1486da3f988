"""Conversions: leads and sales that arrive, each stored once, whose it was decided and explained."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, literal
from sqlalchemy import select as select_columns
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from core import events
from core.access import Actor
from core.clock import day_number, now
from core.db import session
from core.errors import Conflict, NotFound
from hub import metrics
from hub.metrics import Gain, metric_name
from referrals import refunds, same_order, split, touches
from referrals.attribution import Attribution, Happened, Judged, decide
from referrals.conversion_input import NewConversion, NewRefund, content_hash
from referrals.conversion_rows import AttributionCandidate, Conversion, Kind, Refund
from referrals.refunds import RefundRecorded, refund
from referrals.same_order import find_conversion

__all__ = [
    "AttributionCandidate", "Conversion", "ConversionDiffers", "ConversionNotFound", "ConversionRecorded", "Kind",
    "NewConversion", "NewRefund", "Refund", "RefundRecorded", "candidates_of", "facts_leads", "facts_revenue",
    "facts_sales", "find_conversion", "get_conversion", "record", "refund",
]  # fmt: skip


class ConversionNotFound(NotFound):
    """There is no such conversion."""


class ConversionDiffers(Conflict):
    """A conversion with this external_id was recorded before, with other content."""


@dataclass(frozen=True)
class ConversionRecorded:
    """A conversion was stored and somebody won it."""

    conversion_id: str
    occurred_at: datetime


def record(new: NewConversion, *, by: Actor, unit_id: str) -> tuple[Conversion, bool]:
    """Store a conversion that the unit's shop brought, decide whose it is, and whether it is new.

    The same external_id and content again answers what is stored, also when a key of a unit below or above told it;
    other content by a key of the unit raises ConversionDiffers. Candidates are only links of the unit and those below
    it. Refunds that waited for it are applied.
    """
    same_order.one_at_a_time(new.external_id)
    before = find_conversion(unit_id, new.external_id)
    if before is None:
        before = same_order.told_before(unit_id, new.external_id, content_hash(new))
    if before is None:
        conversion = _row(new, by, unit_id)
        try:
            with session().begin_nested():
                session().add(conversion)
        except IntegrityError:  # the same order at the same time: the other one was first
            before = find_conversion(unit_id, new.external_id)
    if before is not None:
        if before.content_hash != content_hash(new):
            raise ConversionDiffers
        return before, False
    _attribute(conversion, new)
    refunds.apply_parked(conversion)
    return conversion, True


def _row(new: NewConversion, by: Actor, unit_id: str) -> Conversion:
    customer = new.customer
    return Conversion(
        unit_id=unit_id,
        external_id=new.external_id,
        content_hash=content_hash(new),
        kind=new.kind,
        occurred_at=new.occurred_at,
        received_at=now(),
        brought_by=by.id,
        day=day_number(new.occurred_at),
        amount_minor=new.amount_minor or 0,
        currency=new.currency or "",
        customer_id=(customer and customer.external_id) or "",
        email_sha256=(customer and customer.email_sha256) or "",
        lines=[line.model_dump(mode="json") for line in new.lines],
        details=dict(new.metadata),
    )


def _attribute(conversion: Conversion, new: NewConversion) -> None:
    """Decide whose it is; keep every candidate; score and announce it when it is somebody's."""
    found = touches.of(new, conversion.unit_id, _earlier_of_customer(conversion))
    happened = Happened(conversion.occurred_at, conversion.email_sha256)
    decided = decide(happened, found.touches, found.rules, touches.right)
    kept = _keep(conversion, decided)
    if decided.winner is None:
        return
    conversion.membership_id = decided.winner.membership_id
    conversion.programme_id = decided.winner.programme_id
    conversion.link_id = decided.winner.link_id
    conversion.earning_unit_id = found.units[decided.winner.programme_id]
    conversion.shared = len(decided.shares) > 1
    session().flush()
    metrics.add(gains_of(conversion, kept))
    events.publish(ConversionRecorded(conversion.id, conversion.occurred_at))


def _keep(conversion: Conversion, decided: Attribution) -> list[AttributionCandidate]:
    conversion.reason = decided.reason
    session().add(conversion)
    weights = [judged.weight_basis_points for judged in decided.candidates]
    shares = split.parts(conversion.amount_minor, weights) if any(weights) else weights
    kept = [
        _candidate(conversion, position, judged, share)
        for position, (judged, share) in enumerate(zip(decided.candidates, shares, strict=True))
    ]
    session().add_all(kept)
    session().flush()
    return kept


def _candidate(
    conversion: Conversion, position: int, judged: Judged, share_minor: int
) -> AttributionCandidate:
    touch = judged.touch
    return AttributionCandidate(
        conversion_id=conversion.id,
        position=position,
        source=touch.source,
        given=touch.given,
        at=touch.at,
        link_id=touch.link_id,
        membership_id=touch.membership_id or None,
        won=judged.won,
        weight_basis_points=judged.weight_basis_points,
        share_minor=share_minor,
        verdict=judged.verdict,
    )


def _earlier_of_customer(conversion: Conversion) -> Conversion | None:
    """The latest earlier conversion of the same customer that was somebody's."""
    if not conversion.customer_id:
        return None
    earlier = select(Conversion).where(
        Conversion.unit_id == conversion.unit_id,
        Conversion.customer_id == conversion.customer_id,
        col(Conversion.membership_id).is_not(None),
        Conversion.id != conversion.id,
        Conversion.occurred_at <= conversion.occurred_at,
    )
    return session().exec(earlier.order_by(col(Conversion.occurred_at).desc()).limit(1)).first()


def gains_of(conversion: Conversion, candidates: Sequence[AttributionCandidate]) -> list[Gain]:
    """What a won conversion adds to the scoreboard on its day: a lead, or a sale and its revenue.

    Of a shared one the revenue is everybody's by their share; the lead or sale counts once, for the last touch.
    """
    if conversion.membership_id is None or conversion.earning_unit_id is None:
        return []
    where = (conversion.earning_unit_id, conversion.day)
    if conversion.kind == "lead":
        return [Gain("leads", conversion.membership_id, *where, 1)]
    revenue = metric_name("revenue", conversion.currency)
    shares = [
        Gain(revenue, each.membership_id, *where, each.share_minor)
        for each in candidates
        if each.won and each.membership_id is not None
    ]
    return [Gain("sales", conversion.membership_id, *where, 1), *shares]


def get_conversion(conversion_id: str) -> Conversion:
    """The conversion with this id; raises ConversionNotFound."""
    conversion = session().get(Conversion, conversion_id)
    if conversion is None:
        raise ConversionNotFound
    return conversion


def candidates_of(conversion_ids: Sequence[str]) -> dict[str, list[AttributionCandidate]]:
    """Conversion → its candidates, in the order in which they were given."""
    wanted = select(AttributionCandidate).where(col(AttributionCandidate.conversion_id).in_(conversion_ids))
    found: dict[str, list[AttributionCandidate]] = {each: [] for each in conversion_ids}
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
