"""Refunds as they are told: of which sale, and whether they can be one of it; what can is stored.

A refund may say its currency. It never converts: one in another currency than its sale's is refused, also when it
waited for that sale.
"""

from collections.abc import Sequence

from sqlalchemy import update
from sqlmodel import col

from core.access import Actor
from core.db import session, update_one
from core.errors import Conflict, NotFound
from referrals.conversions import refunds, refused_refunds
from referrals.conversions.conversion_input import NewRefund, content_hash
from referrals.conversions.conversion_rows import Conversion, Refund
from referrals.conversions.refunds import RefundDiffers, RefundInOtherCurrency, RefundOfLead
from referrals.conversions.same_order import (
    STRIPE,
    conversions_meant,
    find_refund,
    one_at_a_time,
    refund_told_before,
)


class RefundOfSeveral(Conflict):
    """Several units sold under this number: the refund has to be told with the key of the one that sold it."""


class RefundNotFound(NotFound):
    """No refund of this unit's own shop has this external_id."""


def refund(new: NewRefund, *, by: Actor, unit_id: str) -> tuple[Refund, bool]:
    """Store a refund that the unit's shop brought, and whether it is new; parked until its sale is known.

    The same again is answered as it was. Raises RefundOfSeveral, RefundOfLead, RefundInOtherCurrency, and what
    refunds.refund does.
    """
    one_at_a_time(new.conversion_external_id)
    before = _told_before(new, unit_id)
    if before is None:
        _refuse_unfit(new, conversions_meant(unit_id, new.conversion_external_id))
    elif new.currency and before.currency not in {"", new.currency}:
        raise RefundDiffers
    elif before.conversion_id is not None and not before.currency:
        _require_currency(new, session().get_one(Conversion, before.conversion_id))
    return refunds.refund(new, by=by, unit_id=unit_id)


def take_back(external_id: str, *, by: Actor, unit_id: str) -> Refund:
    """Undo a refund that the unit's own shop told: its money was not given back after all. What is undone stays so.

    One that waits for its sale waits no more, and of one that was refused nobody has to be asked any more. Raises
    RefundNotFound, also for what Stripe told: Stripe tells when that failed.
    """
    row = find_refund(unit_id, external_id)
    if row is None or row.brought_by == STRIPE:
        raise RefundNotFound
    one_at_a_time(row.conversion_external_id)
    session().refresh(row)
    never = update(Refund).where(col(Refund.id) == row.id, col(Refund.state).in_(("parked", "refused")))
    taken = update_one(never.values(state="came_back").execution_options(synchronize_session=False))
    session().refresh(row)
    if not taken:
        refunds.undo(row)
        session().refresh(row)
    elif row.conversion_id is not None:
        refused_refunds.one_less(session().get_one(Conversion, row.conversion_id), by=by)
    return row


def _told_before(new: NewRefund, unit_id: str) -> Refund | None:
    own = find_refund(unit_id, new.external_id)
    return own or refund_told_before(unit_id, new.external_id, content_hash(new))


def _refuse_unfit(new: NewRefund, meant: Sequence[Conversion]) -> None:
    if len(meant) > 1:
        raise RefundOfSeveral
    for sale in meant:
        if sale.kind == "lead":
            raise RefundOfLead
        _require_currency(new, sale)


def _require_currency(new: NewRefund, sale: Conversion) -> None:
    if new.currency and new.currency != sale.currency:
        raise RefundInOtherCurrency(f"The sale is in {sale.currency}, this refund in {new.currency}.")
