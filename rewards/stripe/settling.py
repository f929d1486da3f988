"""Events about an order that nothing tells apart: a person says which of ours it is, or that it is none."""

from sqlalchemy import or_, update
from sqlmodel import col, select

from core import audit
from core.access import Actor
from core.clock import now
from core.db import run, session
from core.errors import Conflict, NotFound
from referrals.conversions.conversions import Conversion, get_conversion
from rewards.stripe import moved_sales, stripe_sales
from rewards.stripe.stripe_event_rows import ASKS, StripeEvent, about
from rewards.stripe.stripe_facts import id_of
from rewards.stripe.stripe_sale_rows import StripeSale, keep


class EventNotFound(NotFound):
    """There is no such event of Stripe's; `bin/spokes check` names those that wait."""


class NotAsked(Conflict):
    """This event waits for nobody."""


def settle(event_id: str, conversion_id: str | None, *, by: Actor) -> None:
    """The event is about this order of ours, and is applied by the clock; or it is about none.

    Raises EventNotFound, NotAsked, ConversionNotFound.
    """
    event = session().exec(select(StripeEvent).where(StripeEvent.id == event_id).with_for_update()).first()
    if event is None:
        raise EventNotFound
    if event.applied_at is not None or not event.result.startswith(ASKS):
        raise NotAsked
    if conversion_id is None:
        event.applied_at, event.result = now(), "none of our orders, says a person"
    else:
        told, sale = about(event), get_conversion(conversion_id)
        payment = id_of(told.get("payment_intent"))
        object_id = payment if event.kind in stripe_sales.WENT_BACK else id_of(told)
        _was_of_another(object_id, payment, sale)
        keep(object_id, payment, sale, id_of(told.get("customer")))
        if payment:
            keep(payment, payment, sale)
        # Others may ask the same: all that ask look again.
        asking = col(StripeEvent.applied_at).is_(None), col(StripeEvent.result).startswith(ASKS)
        run(update(StripeEvent).where(*asking).values(due_at=now()))
    session().add(event)
    facts = {"event": event.event_id, "conversion": conversion_id or ""}
    audit.record(by, "stripe_event.settled", "stripe_event", event.id, details=facts)


def _was_of_another(object_id: str, payment: str, sale: Conversion) -> None:
    """Whatever was guessed before: it is of this sale, says a person."""
    same = or_(col(StripeSale.object_id) == object_id, col(StripeSale.payment_intent).in_({payment} - {""}))
    known = select(StripeSale.conversion_id, StripeSale.payment_intent).where(
        same, StripeSale.conversion_id != sale.id
    )
    for old_id, paid in sorted(set(session().exec(known))):
        moved_sales.move({paid} - {""}, get_conversion(old_id), sale)
    run(update(StripeSale).where(same).values(conversion_id=sale.id))
