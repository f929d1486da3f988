"""Events about an order that nothing tells apart: a person says which of ours it is, or that it is none."""

from sqlalchemy import update
from sqlmodel import col, select

from core import audit
from core.access import Actor
from core.clock import now
from core.db import run, session
from core.errors import Conflict, Invalid, NotFound
from referrals.conversions import same_order
from referrals.conversions.conversions import Conversion, get_conversion
from rewards.stripe import moved_sales, stripe_sales
from rewards.stripe.stripe_event_rows import ASKS, StripeEvent, about
from rewards.stripe.stripe_facts import id_of
from rewards.stripe.stripe_sale_rows import StripeSale, keep, known_as


class EventNotFound(NotFound):
    """There is no such event of Stripe's; `bin/spokes check` names those that wait."""


class NotAsked(Conflict):
    """This event waits for nobody."""


class LeadMeant(Invalid):
    """A lead was never paid: name a sale."""


def settle(event_id: str, conversion_id: str | None, *, by: Actor) -> None:
    """The event is about this order of ours, or about none; so is all that is known of its payment, from now on.

    Whatever asks about the same is applied by the clock. Raises EventNotFound, NotAsked, ConversionNotFound, LeadMeant.
    """
    sale = get_conversion(conversion_id) if conversion_id is not None else None
    event = session().get(StripeEvent, event_id)
    if event is None:
        raise EventNotFound
    if sale is not None and sale.kind == "lead" and _is_paid(event):
        raise LeadMeant
    # Before any row, as everybody takes them.
    same_order.one_at_a_time(*_ids(event))
    same_order.one_at_a_time(*{each.external_id for each in (sale, *_had_by(_known(event))) if each})
    session().refresh(event, with_for_update=True)
    if event.applied_at is not None or not event.result.startswith(ASKS):
        raise NotAsked
    _say(event, sale)
    asking = [each.id for each in _asking() if _ids(each) & _ids(event)]
    run(update(StripeEvent).where(col(StripeEvent.id).in_({event.id, *asking})).values(due_at=now()))
    facts = {"event": event.event_id, "conversion": conversion_id or ""}
    audit.record(by, "stripe_event.settled", "stripe_event", event.id, details=facts)


def _say(event: StripeEvent, sale: Conversion | None) -> None:
    """The object of an event and its payment are this sale's, or none's, whatever was guessed before."""
    rows, told = _known(event), about(event)
    customer = id_of(told.get("customer"))
    if sale is not None:
        for old in _had_by(rows):
            if old.earning_unit_id is None and old.id != sale.id:  # the whole order is the other one
                moved_sales.move_all(old, sale)
        sale.customer_id = sale.customer_id or customer  # what they buy next is theirs
        session().add(sale)
        if sale.earning_unit_id is None:  # what another shop tells and wins later is another order
            sale.stands_alone = True
    moved_sales.move(rows, sale)
    for each in rows:
        each.said, each.made_at = True, now()
        session().add(each)
    new_id = sale.id if sale else None
    keep(_object_of(event), id_of(told.get("payment_intent")), new_id, customer, said=True)


def _known(event: StripeEvent) -> list[StripeSale]:
    """What is known of its object and payment, and of the payments that are known of them."""
    rows = known_as(_ids(event), id_of(about(event).get("payment_intent")))
    more = {each.payment_intent for each in rows} - {""}
    return rows + [each for one in sorted(more) for each in known_as((), one) if each not in rows]


def _had_by(rows: list[StripeSale]) -> list[Conversion]:
    """The sales that have these now."""
    return [get_conversion(each) for each in sorted({row.conversion_id for row in rows if row.conversion_id})]


def _is_paid(event: StripeEvent) -> bool:
    """Whether it tells of money; a free trial's beginning does not."""
    told = about(event)
    return event.kind in stripe_sales.WENT_BACK or bool(told.get("amount_total") or told.get("amount_paid"))


def _object_of(event: StripeEvent) -> str:
    """What the order is known by: a session or invoice, else the payment."""
    told = about(event)
    return id_of(told.get("payment_intent")) if event.kind in stripe_sales.WENT_BACK else id_of(told)


def _ids(event: StripeEvent) -> set[str]:
    """Of its order's session, invoice and payment, as far as it names them."""
    told = about(event)
    named = (_object_of(event), id_of(told.get("invoice")), id_of(told.get("payment_intent")))
    return {each for each in named if each}


def _asking() -> list[StripeEvent]:
    asking = col(StripeEvent.applied_at).is_(None), col(StripeEvent.result).startswith(ASKS)
    return list(session().exec(select(StripeEvent).where(*asking)))
