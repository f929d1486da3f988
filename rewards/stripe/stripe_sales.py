"""Sales that Stripe tells: Checkout, invoices of subscriptions, refunds and disputes become conversions and refunds.

What is believed is what is read from Stripe when the event is applied, so events may come late, twice and in any order:
each of them ends in the same two steps, the sale is there, and what went back of it is taken off.
  - An order is known by the shop's `order_id` in the metadata, else by Stripe's id. One that the API has told already is
    that order; the first to tell it stands.
  - Sales are the hub's; a subscription's later invoices belong where its customer's first sale belongs.
  - A subscription that begins for nothing, with a free trial, is a lead: who brought it brought the customer, and what they
    pay later is a sale of that known customer's.
  - A sale that names nobody, and is of no known customer, is none of ours and is not kept. One with a promotion code that
    is nobody's coupon yet is asked for again as often, and as long, as conversions that wait for theirs.
  - What went back of a sale is a page of its own: stripe_taken_back.py.
  - A dispute holds what no payout has; lost, it is a refund; won, nothing has to be restored.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from sqlalchemy import or_
from sqlmodel import col, select

from core.clock import now
from core.db import session, transaction
from core.errors import SpokesError
from core.inputs import refuse
from hub.units import find_hub
from referrals.conversions import conversions, same_order, touches
from referrals.conversions.conversion_input import NORMALISED
from referrals.conversions.conversions import Conversion, NewConversion
from referrals.conversions.recording import ConversionDiffers
from referrals.conversions.waiting import LOOKS, WaitingConversion
from referrals.fraud.fraud_addresses import digest, normalised
from referrals.links import former_coupons
from rewards.stripe import moved_sales, stripe_facts, stripe_gateway, stripe_orders, stripe_taken_back
from rewards.stripe.stripe_facts import Charged, Paid, id_of
from rewards.stripe.stripe_gateway import Refused, TryLater
from rewards.stripe.stripe_orders import Undecided
from rewards.stripe.stripe_sale_rows import STRIPE, NoneOfOurs, StripeSale, keep

PAID = frozenset({"checkout.session.completed", "checkout.session.async_payment_succeeded"})
INVOICE_PAID = "invoice.paid"
WENT_BACK = frozenset(
    {
        "charge.refunded",
        "charge.refund.updated",
        "refund.failed",
        "refund.updated",
        "charge.dispute.created",
        "charge.dispute.closed",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
    }
)
KINDS = PAID | {INVOICE_PAID} | WENT_BACK
MOST_WORDS = 200
WAITS = timedelta(minutes=50)
NOBODYS = "names no advocate of ours"
UNKNOWN = "of no sale that we know"


class CouponUnknown(TryLater):
    """All that a sale names is a promotion code that is nobody's coupon (yet)."""


class LookAgain(TryLater):
    """Ask again then."""

    def __init__(self, message: str, due_at: datetime) -> None:
        super().__init__(message)
        self.due_at = due_at


def apply(kind: str, about: dict[str, Any], at: datetime) -> str:
    """Apply an event of one of KINDS about this object, told at this moment; what became of it, as a sentence.

    Raises StripeError when Stripe cannot be asked now, Undecided when a person has to say what is meant.
    """
    try:
        if kind in WENT_BACK:
            return _went_back(about, at)
        object_id = id_of(about)
        return _invoice(object_id, at) if kind == INVOICE_PAID else _checkout(object_id, at)
    except Refused as error:
        if error.code != "resource_missing":
            raise
        return "Stripe does not know it (any more)"
    except CouponUnknown as error:
        look = next((each for each in (at + pause for pause in LOOKS) if each > now()), None)
        if look is None:
            return NOBODYS
        raise LookAgain(error.message, look) from error
    except Undecided:
        raise
    except ValidationError as error:
        return f"not recorded: {refuse(error).problems}"
    except SpokesError as error:
        return f"not recorded: {error.sentence}"


def _checkout(session_id: str, at: datetime) -> str:
    session_ = stripe_gateway.read_checkout(session_id)
    if not stripe_facts.is_settled(session_):
        return "not paid (yet)"
    payment = id_of(session_.get("payment_intent"))
    if invoice_id := id_of(session_.get("invoice")):
        payment = payment or stripe_facts.payment_of(stripe_gateway.read_invoice(invoice_id))
    return _settle(stripe_facts.of_checkout(session_, payment), at)


def _invoice(invoice_id: str, at: datetime) -> str:
    """A subscription's first invoice is the order of the Checkout session that began it, when one did."""
    invoice = stripe_gateway.read_invoice(invoice_id)
    if invoice["status"] != "paid":
        return "not paid (any more)"
    if begun := stripe_facts.subscription_begun_by(invoice):
        for each in stripe_gateway.checkouts_of(subscription=begun):
            return _checkout(each["id"], at)
    return _settle(stripe_facts.of_invoice(invoice), at)


def _went_back(about: dict[str, Any], at: datetime) -> str:
    payment = id_of(about.get("payment_intent"))
    if not payment:
        return UNKNOWN
    is_known = _is_known((), payment)
    charged = stripe_taken_back.charged_of(payment)
    if charged is None:
        return UNKNOWN
    if not is_known:
        for each in stripe_gateway.checkouts_of(payment_intent=payment):
            said = _checkout(each["id"], at)
            return _unless_told_soon(charged, at) if said == NOBODYS else said
    with transaction():
        same_order.one_at_a_time(payment)
        known = _known((), payment)  # a person may have answered meanwhile
        sale = stripe_orders.order_meant(charged.order_id) if known is None else None
        if sale is not None:
            keep(payment, payment, sale.id)
        sale_id = known.conversion_id if known else sale.id if sale else None
    if sale_id is None:
        return _unless_told_soon(charged, at)  # a subscription's invoice brings it along when it is applied
    return stripe_taken_back.compare(sale_id, payment, charged, at)


def _unless_told_soon(charged: Charged, at: datetime) -> str:
    """The API may be about to tell the order: so long the event waits."""
    if charged.order_id and now() - at < WAITS:
        raise TryLater("its order is not known yet")
    return UNKNOWN


def _settle(paid: Paid, at: datetime) -> str:
    """Record the sale, and take off what has gone back of it; a free trial's beginning is a lead."""
    if paid.amount_minor == 0 and not paid.is_lead:
        return "nothing was paid"
    _is_known((paid.object_id, paid.invoice), paid.payment_intent)
    charged = stripe_taken_back.charged_of(paid.payment_intent) if paid.payment_intent else None
    with transaction():
        sale = _record(paid, charged)
        if sale is None:
            return NOBODYS
        said = "recorded" if sale.brought_by == STRIPE.id else "known, told by the API"
        sale_id = sale.id
    return (
        f"{said}; {stripe_taken_back.compare(sale_id, paid.payment_intent, charged, at)}" if charged else said
    )


def _record(paid: Paid, charged: Charged | None) -> Conversion | None:
    same_order.one_at_a_time(paid.object_id, paid.payment_intent or paid.object_id)
    known = _known((paid.object_id, paid.invoice), paid.payment_intent)
    if known is not None:
        keep(paid.object_id, paid.payment_intent, known.conversion_id, paid.customer, said=known.said)
        return session().get_one(Conversion, known.conversion_id)
    order_id = paid.told.order_id or (charged.order_id if charged else "")
    sale = stripe_orders.order_meant(order_id, paid) or _new(paid, charged)
    if sale is not None:
        sale.customer_id = (
            sale.customer_id or paid.told.customer_id or paid.customer
        )  # what they buy next is theirs
        keep(paid.object_id, paid.payment_intent, sale.id, paid.customer)
    return sale


def _new(paid: Paid, charged: Charged | None) -> Conversion | None:
    hub, earlier = find_hub(), _earlier_of(paid.customer)
    if hub is None:
        return None
    coupon = next((each for each in paid.coupons if former_coupons.holder(each, paid.at)), None)
    if not (paid.told.tokens or paid.told.code or coupon or earlier):
        if paid.coupons:
            raise CouponUnknown(f"waits for somebody's coupon {paid.coupons[0]}")
        return None
    coupon = coupon or next(iter(paid.coupons), None)
    said = NewConversion.model_validate(
        {
            "external_id": paid.told.order_id or paid.object_id,
            "kind": "lead" if paid.is_lead else "sale",
            "occurred_at": (charged.at if charged else paid.at).isoformat(),
            "click": next(iter(paid.told.tokens), None),
            "clicks": list(paid.told.tokens[1:]),
            "code": paid.told.code or None,
            "coupon": coupon,
            "customer": _customer(paid, earlier),
            **({} if paid.is_lead else _sums(paid)),
            "metadata": _evidence(paid, charged),
        }
    )
    try:
        return conversions.record(said, by=STRIPE, unit_id=earlier.unit_id if earlier else hub.id)[0]
    except ConversionDiffers as error:
        raise Undecided(error.sentence) from error


def _sums(paid: Paid) -> dict[str, object]:
    """What a sale has and a lead has not."""
    discount = paid.discount_minor or None
    lines = list(paid.lines)
    return {
        "amount_minor": paid.amount_minor, "currency": paid.currency, "discount_minor": discount, "lines": lines,
    }  # fmt: skip


def _evidence(paid: Paid, charged: Charged | None) -> dict[str, str]:
    """Where it comes from, and what tells advocates from fraud, in the words that shops use for it."""
    words = {
        "stripe": paid.object_id,
        "card_fingerprint": charged.card if charged else "",
        "email_domain": paid.email.rpartition("@")[2].lower(),
        NORMALISED: paid.email and digest(normalised(paid.email)),
    }
    return {name: word[:MOST_WORDS] for name, word in words.items() if word}


def _customer(paid: Paid, earlier: Conversion | None) -> dict[str, str] | None:
    known_as = (earlier and earlier.customer_id) or paid.told.customer_id or paid.customer
    said = {"external_id": known_as, "email_sha256": touches.email_hash(paid.email) if paid.email else ""}
    return {name: value for name, value in said.items() if value} or None


def _earlier_of(customer: str) -> Conversion | None:
    """The latest sale of one of Stripe's customers that was somebody's, or waits for what it named to be."""
    if not customer:
        return None
    is_somebodys = col(Conversion.membership_id).is_not(None)
    waits = col(WaitingConversion.conversion_id).is_not(None)
    theirs = (
        select(Conversion)
        .join(StripeSale, col(StripeSale.conversion_id) == col(Conversion.id))
        .outerjoin(WaitingConversion, col(WaitingConversion.conversion_id) == col(Conversion.id))
        .where(StripeSale.customer == customer, or_(is_somebodys, waits))
    )
    return session().exec(theirs.order_by(col(Conversion.occurred_at).desc()).limit(1)).first()


def _is_known(objects: Collection[str], payment: str) -> bool:
    """Whether anything is known of these objects or of this payment; what has to move for that has moved, also where it raises NoneOfOurs."""
    with transaction():
        same_order.one_at_a_time(*({*objects, payment} - {""}))
        known = moved_sales.agree(objects, payment)
        is_none = known is not None and known.conversion_id is None
    if is_none:
        raise NoneOfOurs
    return known is not None


def _known(objects: Collection[str], payment: str) -> StripeSale | None:
    """What is known of these objects and of this payment; raises NoneOfOurs."""
    known = moved_sales.agree(objects, payment)
    if known is not None and known.conversion_id is None:
        raise NoneOfOurs
    return known
