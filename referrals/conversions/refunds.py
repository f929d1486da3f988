"""Refunds: money given back on a sale, each stored once; one that is before its sale waits for it.

The rule of the scoreboard: revenue goes down on the refund's own day, and a sale stays a sale until it is given back
in full; then it counts one less, on the day of the refund that completed it. Of a shared sale each share goes down in
proportion to what is left of it, so that all of it is gone with the last refund.
A refund that says it was before its sale counts on the sale's day: no earlier period is changed by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, literal, update
from sqlalchemy import select as select_columns
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, func, select

from core import events
from core.access import Actor
from core.clock import day_number, now
from core.db import run, session, transaction, update_one
from core.errors import Conflict, Invalid
from hub import metrics
from hub.metrics import Gain, metric_name
from hub.units import Unit
from referrals.conversions import split
from referrals.conversions.conversion_input import NewRefund, content_hash
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion, Refund, RefundShare, lock
from referrals.conversions.refused_refunds import Unfit, ask_to_look
from referrals.conversions.same_order import (
    STRIPE,
    are_one,
    conversion_meant,
    find_refund,
    nobodys_beside,
    one_at_a_time,
    refund_told_before,
    related,
)

STUCK_AFTER = timedelta(minutes=1)


class RefundDiffers(Conflict):
    """A refund with this external_id was recorded before, with other content."""


class RefundTooLarge(Invalid):
    """All refunds of a sale together cannot be more than the sale."""


class RefundOfLead(Invalid):
    """This is a lead, not a sale: nothing was paid for it, so nothing can be given back."""


class RefundInOtherCurrency(Invalid):
    """The refund's currency is not the sale's."""


REFUSALS: dict[Unfit, type[Invalid]] = {
    "lead": RefundOfLead,
    "currency": RefundInOtherCurrency,
    "too much": RefundTooLarge,
}


class RefundToldByStripe(Conflict):
    """Stripe tells of this sale's refunds: what has gone back is taken off already. Nothing was recorded twice."""


@dataclass(frozen=True)
class RefundRecorded:
    """A refund was applied to its sale."""

    refund_id: str
    conversion_id: str
    occurred_at: datetime


@dataclass(frozen=True)
class OrderWon:
    """Somebody won an order, and other shops told orders of its number that are nobody's: the same one, or others."""

    conversion_id: str
    nobodys: tuple[str, ...]


def refund(new: NewRefund, *, by: Actor, unit_id: str, of: Conversion | None = None) -> tuple[Refund, bool]:
    """Store a refund that the unit's shop brought, and whether it is new; parked until its sale is known.

    The sale is `of`, else the unit's own, or the only one of that id below and above it. The same external_id and content again
    answers what is stored, also when a key of a unit below or above told it. Of a sale whose refunds Stripe tells nobody
    else's is taken; what Stripe says is cumulative, so what a shop told before is not taken off again. Raises RefundDiffers,
    one of REFUSALS, RefundToldByStripe.
    """
    one_at_a_time(new.conversion_external_id)
    before = find_refund(unit_id, new.external_id)
    if before is None and of is None:
        before = refund_told_before(unit_id, new.external_id, content_hash(new))
    if before is None:
        row = _row(new, by, unit_id)
        try:
            with session().begin_nested():
                session().add(row)
        except IntegrityError:  # the same refund at the same time: the other one was first
            before = find_refund(unit_id, new.external_id)
    if before is not None:
        if before.content_hash != content_hash(new):
            raise RefundDiffers
        return before, False
    conversion = of or conversion_meant(unit_id, new.conversion_external_id)
    if conversion is not None and by.id != STRIPE and _stripe_tells(conversion):
        raise RefundToldByStripe
    if conversion is not None and (unfit := _apply(row, conversion)):
        raise REFUSALS[unfit]
    return row, True


def _stripe_tells(conversion: Conversion) -> bool:
    """Whether Stripe took something off it that stands: after one that failed, the shop may have paid another way."""
    told = select(Refund.id).where(
        Refund.conversion_id == conversion.id, Refund.brought_by == STRIPE, Refund.state == "applied"
    )
    return session().exec(told).first() is not None


def apply_parked(conversion: Conversion) -> None:
    """Apply the refunds that waited for this sale, in the order in which they happened.

    Once it is won, those of the same order as another shop told it and nobody won are its; what Stripe told goes with its
    payments.
    """
    if conversion.membership_id is not None and (nobodys := nobodys_beside(conversion)):
        for twin in nobodys:
            if are_one(twin, conversion):
                _park_again(twin)
        events.publish(OrderWon(conversion.id, tuple(each.id for each in nobodys)))
    parked = select(Refund).where(
        col(Refund.unit_id).in_({conversion.unit_id, *related(conversion.unit_id)}),
        Refund.conversion_external_id == conversion.external_id,
        Refund.state == "parked",
    )
    for row in session().exec(parked.order_by(col(Refund.occurred_at), col(Refund.id))).all():
        if conversion_meant(row.unit_id, row.conversion_external_id) == conversion:
            _settle(row.id, conversion)


def _park_again(twin: Conversion) -> None:
    """The refunds that shops told of a sale that nobody won wait for another one."""
    for row in refunds_of(twin.id):
        if row.state == "applied" and row.brought_by != STRIPE:
            twin.refunded_minor -= row.amount_minor
            row.state, row.conversion_id, row.completes = "parked", None, False
            session().add_all([row, twin])
    session().flush()


def apply_parked_refunds() -> int:
    """Job: apply the refunds that are parked although their sale is there; answers how many were settled.

    A refund and its sale that arrive at once may each not see the other: this brings them together.
    """
    with transaction(read_only=True):
        waiting = [(row.id, sale.id) for row, sale in _waiting()]
    settled = 0
    for refund_id, conversion_id in waiting:
        with transaction():
            settled += _settle(refund_id, session().get_one(Conversion, conversion_id))
    return settled


def stuck_refunds() -> list[str]:
    """Check: every refund that is still parked a minute after its sale was stored, as a sentence."""
    late = now() - STUCK_AFTER
    return [
        f"refund {row.id} waits for conversion {sale.id}, which came at {sale.received_at:%Y-%m-%d %H:%M}"
        for row, sale in _waiting()
        if sale.received_at < late
    ]


def _waiting() -> list[tuple[Refund, Conversion]]:
    """Parked refunds with the sale that is there, in the order in which they happened."""
    told = select(Conversion.id).where(
        col(Conversion.unit_id).in_(select(Unit.id)), Conversion.external_id == Refund.conversion_external_id
    )
    parked = select(Refund).where(Refund.state == "parked", told.exists())
    rows = session().exec(parked.order_by(col(Refund.occurred_at), col(Refund.id))).all()
    found = [(row, conversion_meant(row.unit_id, row.conversion_external_id)) for row in rows]
    return [(row, sale) for row, sale in found if sale is not None]


def _settle(refund_id: str, conversion: Conversion) -> bool:
    """Apply a parked refund, or refuse it, and ask people to look, when it cannot be one of it; False when another one did so first."""
    parked = update(Refund).where(col(Refund.id) == refund_id, col(Refund.state) == "parked")
    claimed = parked.values(state="applied").execution_options(synchronize_session=False)
    if not update_one(claimed):
        return False
    row = session().get_one(Refund, refund_id, populate_existing=True)
    if unfit := _apply(row, conversion):
        row.state, row.conversion_id = "refused", conversion.id
        session().add(row)
        session().flush()
        ask_to_look(row, conversion, unfit)
    return True


def _row(new: NewRefund, by: Actor, unit_id: str) -> Refund:
    return Refund(
        unit_id=unit_id,
        external_id=new.external_id,
        content_hash=content_hash(new),
        conversion_external_id=new.conversion_external_id,
        amount_minor=new.amount_minor,
        currency=new.currency or "",
        reason=new.reason,
        occurred_at=new.occurred_at,
        day=day_number(new.occurred_at),
        received_at=now(),
        brought_by=by.id,
    )


def _apply(row: Refund, conversion: Conversion) -> Unfit | None:
    """Take the refund off what is left of the sale; else why it cannot be one of it."""
    if conversion.kind == "lead":
        return "lead"
    if row.currency not in {"", conversion.currency}:
        return "currency"
    sum_after = col(Conversion.refunded_minor) + row.amount_minor
    fits = update(Conversion).where(
        col(Conversion.id) == conversion.id,
        sum_after <= col(Conversion.amount_minor),
    )
    # The database decides, so that two refunds at once cannot both take the rest.
    if not update_one(fits.values(refunded_minor=sum_after).execution_options(synchronize_session=False)):
        return "too much"
    session().refresh(conversion)
    row.conversion_id, row.state = conversion.id, "applied"
    row.day = max(row.day, conversion.day)
    row.completes = conversion.refunded_minor == conversion.amount_minor
    session().add(row)
    session().flush()
    if conversion.membership_id is not None and conversion.earning_unit_id is not None:
        metrics.add(_gains(row, conversion, _losses(row, conversion)))
    events.publish(RefundRecorded(row.id, conversion.id, row.occurred_at))
    return None


@dataclass(frozen=True)
class RefundCameBack:
    """An applied refund does not stand any more: its money is the shop's again."""

    refund_id: str
    conversion_id: str


def undo(row: Refund) -> bool:
    """An applied refund failed, was taken back, or its dispute was won after it was lost; False when that is known.

    What it took off the scoreboard is there again, on the refund's own day: it never happened.
    """
    if row.conversion_id is None:  # it waits for its sale: nothing was taken off
        return False
    conversion = session().get_one(Conversion, row.conversion_id)
    lock(conversion)  # before anything is read: what it took is whoever has the sale then
    gone = update(Refund).where(col(Refund.id) == row.id, col(Refund.state) == "applied")
    if not update_one(gone.values(state="came_back").execution_options(synchronize_session=False)):
        return False
    session().refresh(row)
    gains = gains_of(row, conversion)
    rest = col(Conversion.refunded_minor) - row.amount_minor
    less = update(Conversion).where(col(Conversion.id) == conversion.id).values(refunded_minor=rest)
    run(less.execution_options(synchronize_session=False))
    session().expire_all()
    metrics.add(Gain(each.metric, each.member_id, each.unit_id, each.day, -each.value) for each in gains)
    _sell_again(conversion)
    run(delete(RefundShare).where(col(RefundShare.refund_id) == row.id))
    events.publish(RefundCameBack(row.id, conversion.id))
    return True


def _sell_again(conversion: Conversion) -> None:
    """A sale that is not given back in full any more counts again, whichever refund had completed that."""
    for each in refunds_of(conversion.id):
        if each.state == "applied" and each.completes:
            each.completes = False
            session().add(each)
            session().flush()
            where = (conversion.earning_unit_id or "", each.day)
            if conversion.membership_id is not None:
                metrics.add([Gain("sales", conversion.membership_id, *where, 1)])


def _gains(row: Refund, conversion: Conversion, losses: Sequence[tuple[str, int]]) -> list[Gain]:
    """What the scoreboard loses on the refund's day: revenue by shares, and the sale with the last of its amount."""
    where = (conversion.earning_unit_id or "", row.day)
    revenue = metric_name("revenue", conversion.currency)
    gains = [Gain(revenue, member, *where, -minor) for member, minor in losses]
    return gains + ([Gain("sales", conversion.membership_id or "", *where, -1)] if row.completes else [])


def gains_of(row: Refund, conversion: Conversion) -> list[Gain]:
    """What an applied refund took off the scoreboard, as it stands there."""
    if conversion.membership_id is None or conversion.earning_unit_id is None:
        return []
    if not conversion.shared:
        return _gains(row, conversion, [(conversion.membership_id, row.amount_minor)])
    parts = session().exec(select(RefundShare).where(RefundShare.refund_id == row.id))
    return _gains(row, conversion, [(each.membership_id, each.amount_minor) for each in parts])


def _losses(row: Refund, conversion: Conversion) -> list[tuple[str, int]]:
    """Whose revenue goes down by how much; of a shared sale each one's in proportion to what is left of their share."""
    if not conversion.shared:
        return [(conversion.membership_id or "", row.amount_minor)]
    sharing = select(AttributionCandidate).where(
        AttributionCandidate.conversion_id == conversion.id, col(AttributionCandidate.won).is_(True)
    )
    shares = session().exec(sharing.order_by(col(AttributionCandidate.position))).all()
    taken = _taken([each.id for each in shares])
    given_back = split.parts(row.amount_minor, [each.share_minor - taken.get(each.id, 0) for each in shares])
    losses = []
    for share, minor in zip(shares, given_back, strict=True):
        whose = str(share.membership_id)
        session().add(
            RefundShare(refund_id=row.id, candidate_id=share.id, membership_id=whose, amount_minor=minor)
        )
        losses.append((whose, minor))
    session().flush()
    return losses


def share_out(conversion: Conversion) -> None:
    """Take from each share of a sale what was given back while it was nobody's, in the order in which that happened."""
    known = set(
        session().exec(
            select(RefundShare.refund_id).join(Refund).where(Refund.conversion_id == conversion.id)
        )
    )
    for each in refunds_of(conversion.id):
        if each.state == "applied" and each.id not in known:
            _losses(each, conversion)


def _taken(candidate_ids: Sequence[str]) -> dict[str, int]:
    """Candidate → how much of its share was given back before."""
    before = select(RefundShare.candidate_id, func.sum(RefundShare.amount_minor)).where(
        col(RefundShare.candidate_id).in_(candidate_ids)
    )
    rows = session().exec(before.group_by(col(RefundShare.candidate_id)))
    return {candidate_id: int(minor) for candidate_id, minor in rows}


def refunds_of(conversion_id: str) -> list[Refund]:
    """The refunds of a conversion, in the order in which they happened."""
    wanted = select(Refund).where(Refund.conversion_id == conversion_id)
    return list(session().exec(wanted.order_by(col(Refund.occurred_at), col(Refund.id))).all())


def facts_given_back() -> Select[Any]:
    """(metric, member_id, unit_id, day, value) of every refund of a sale that one advocate won: revenue, negative."""
    lost = _applied(_revenue(), -col(Refund.amount_minor), col(Conversion.membership_id))
    return lost.where(col(Conversion.shared).is_(False))


def facts_shares_given_back() -> Select[Any]:
    """The same of what every share of a shared sale lost by a refund."""
    lost = _applied(_revenue(), -col(RefundShare.amount_minor), col(RefundShare.membership_id))
    return lost.where(col(RefundShare.refund_id) == col(Refund.id))


def facts_unsold() -> Select[Any]:
    """The same of every refund that completed its sale's return: one sale less."""
    lost = _applied(literal("sales"), literal(-1), col(Conversion.membership_id))
    return lost.where(col(Refund.completes).is_(True))


def _revenue() -> Any:  # noqa: ANN401 - a column of a SELECT
    return literal("revenue:") + col(Conversion.currency)


def _applied(metric: Any, value: Any, whose: Any) -> Select[Any]:  # noqa: ANN401 - columns of a SELECT
    columns: list[Any] = [
        metric.label("metric"),
        whose.label("member_id"),
        col(Conversion.earning_unit_id).label("unit_id"),
        col(Refund.day).label("day"),
        value.label("value"),
    ]
    joined = select_columns(*columns).join(Conversion, col(Conversion.id) == col(Refund.conversion_id))
    return joined.where(col(Refund.state) == "applied", col(Conversion.membership_id).is_not(None))
