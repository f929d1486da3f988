"""Events about an order that nothing tells apart: a person says which of ours it is, or that it is none."""

from sqlalchemy import ColumnElement, or_, update
from sqlmodel import col, select

from core import audit
from core.access import Actor
from core.clock import now
from core.db import run, session
from core.errors import Conflict, NotFound
from referrals.conversions import same_order
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
    """The event is about this order of ours, or about none; so are all that ask about the same payment.

    They are applied by the clock. Raises EventNotFound, NotAsked, ConversionNotFound.
    """
    sale = get_conversion(conversion_id) if conversion_id is not None else None
    if sale is not None:  # before any row, as everybody takes it
        same_order.one_at_a_time(sale.external_id)
    event = session().exec(select(StripeEvent).where(StripeEvent.id == event_id).with_for_update()).first()
    if event is None:
        raise EventNotFound
    if event.applied_at is not None or not event.result.startswith(ASKS):
        raise NotAsked
    asking = _asking_the_same(event)
    if sale is None:
        said = {"applied_at": now(), "result": "none of our orders, says a person"}
        run(update(StripeEvent).where(asking).values(**said))
        nobodys = select(Conversion.id).where(col(Conversion.earning_unit_id).is_(None))
        theirs = _known_as(event), col(StripeSale.conversion_id).in_(nobodys)
        run(update(StripeSale).where(*theirs).values(said=True))
    else:
        _is_of(sale, event)
        run(update(StripeEvent).where(asking).values(due_at=now()))
    facts = {"event": event.event_id, "conversion": conversion_id or ""}
    audit.record(by, "stripe_event.settled", "stripe_event", event.id, details=facts)


def _is_of(sale: Conversion, event: StripeEvent) -> None:
    """The object of an event and its payment are this sale's, whatever was guessed before."""
    told, same = about(event), _known_as(event)
    known = select(StripeSale.conversion_id, StripeSale.payment_intent).where(
        same, StripeSale.conversion_id != sale.id
    )
    for old_id, paid in sorted(set(session().exec(known))):
        old = get_conversion(old_id)
        if old.earning_unit_id is None:  # the whole order is the other one
            moved_sales.move_all(old, sale)
        else:
            moved_sales.move(paid, old, sale)
    keep(_object_of(event), id_of(told.get("payment_intent")), sale, id_of(told.get("customer")))
    run(update(StripeSale).where(same).values(conversion_id=sale.id, said=True))


def _object_of(event: StripeEvent) -> str:
    """What the order is known by: a session or invoice, else the payment."""
    told = about(event)
    return id_of(told.get("payment_intent")) if event.kind in stripe_sales.WENT_BACK else id_of(told)


def _known_as(event: StripeEvent) -> ColumnElement[bool]:
    """What is known of the object of an event and of its payment."""
    payment = id_of(about(event).get("payment_intent"))
    return or_(
        col(StripeSale.object_id) == _object_of(event),
        col(StripeSale.payment_intent).in_({payment} - {""}),
    )


def _asking_the_same(event: StripeEvent) -> ColumnElement[bool]:
    """This event, and those that ask about the same payment."""
    payment = id_of(about(event).get("payment_intent"))
    asking = select(StripeEvent).where(
        col(StripeEvent.applied_at).is_(None), col(StripeEvent.result).startswith(ASKS)
    )
    same = [
        each.id
        for each in session().exec(asking)
        if payment and id_of(about(each).get("payment_intent")) == payment
    ]
    return col(StripeEvent.id).in_({event.id, *same})
