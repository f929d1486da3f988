"""What Stripe's objects say of a sale: pure reading of a Checkout session, an invoice, a charge and its disputes.

What a shop may put into the metadata of the session (or of the subscription): `spk`, the click token (the newest
first, further ones after spaces); `spokes_code`, an advocate's code; `spokes_coupon`, a coupon that Stripe does not
know (promotion codes are read from Stripe); `order_id`, the shop's own number; `customer_id`,
the shop's own name of the customer. A token may also be the `client_reference_id`, as the snippet writes it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from core.money import Money, proportion
from referrals.clicks import tokens
from rewards.stripe.stripe_gateway import Body
from rewards.stripe.stripe_units import minor_of

FIRST_OF_SUBSCRIPTION = "subscription_create"
SUBSCRIPTION = "subscription"
"""the mode of a session that begins one"""
LONGEST_TOKEN, LONGEST_CODE, MOST_TOKENS = 300, 64, 5
NAME = re.compile(r"[!-~]{1,200}")
"""what the API takes as somebody else's identifier"""
DECIDED = frozenset({"won", "lost", "warning_closed", "prevented"})


@dataclass(frozen=True)
class Told:
    """What the shop told Stripe in words of its own; empty where it told nothing."""

    tokens: tuple[str, ...] = ()
    """of clicks, the newest first"""
    code: str = ""
    order_id: str = ""
    customer_id: str = ""
    """the shop's own name of the customer"""


@dataclass(frozen=True)
class Paid:
    """A paid Checkout session or invoice, amounts in our minor units."""

    object_id: str
    at: datetime
    currency: str
    amount_minor: int
    """what was bought: without tax and shipping, after discounts"""
    discount_minor: int = 0
    payment_intent: str = ""
    invoice: str = ""
    """of a session that begins a subscription: its first"""
    customer: str = ""
    """Stripe's id; empty for guests"""
    email: str = ""
    told: Told = Told()
    coupons: tuple[str, ...] = ()
    lines: tuple[dict[str, object], ...] = field(default=())
    begins_subscription: bool = False

    @property
    def is_lead(self) -> bool:
        """Whether a subscription begins for nothing, as one with a free trial does: what is paid later is its sale."""
        return self.begins_subscription and self.amount_minor == 0


@dataclass(frozen=True)
class Charged:
    """A charge, with what of it went back; amounts in Stripe's units."""

    charge_id: str
    at: datetime
    amount: int
    refunded: int
    lost: int
    """what lost disputes took"""
    disputed: tuple[str, ...]
    """the disputes that are not decided"""
    order_id: str
    card: str = ""
    """the fingerprint that Stripe gives the card it was paid with"""

    @property
    def gone(self) -> int:
        """What of it has gone back so far."""
        return min(self.amount, self.refunded + self.lost)


def gone_of(sold: Money, charges: Sequence[Charged]) -> int:
    """How much of a sale has gone back so far, minor units: the same part as of what was paid for it.

    Where it was paid more than once in full, it is paid as long as one payment stands; else the payments are its parts.
    """
    paid, gone, largest = (
        sum(each.amount for each in charges),
        sum(each.gone for each in charges),
        max((each.amount for each in charges), default=0),
    )
    if len(charges) > 1 and minor_of(largest, sold.currency) >= sold.amount_minor:
        paid, gone = largest, max(0, largest - (paid - gone))
    return proportion(sold.amount_minor, gone, paid) if paid else 0


def of_checkout(session: Body, payment_intent: str) -> Paid:
    """What a session says that was paid, or of which nothing had to be paid."""
    currency = _currency(session)
    totals, shipping = session.get("total_details") or {}, session.get("shipping_cost")
    net = session["amount_total"] - (totals.get("amount_tax") or 0) - _shipping(shipping, totals)
    person = session.get("customer_details") or {}
    return Paid(
        object_id=session["id"],
        at=_moment(session["created"]),
        currency=currency,
        amount_minor=max(0, minor_of(net, currency)),
        discount_minor=max(0, minor_of(totals.get("amount_discount") or 0, currency)),
        payment_intent=payment_intent,
        invoice=id_of(session.get("invoice")),
        customer=id_of(session.get("customer")),
        email=str(person.get("email") or session.get("customer_email") or ""),
        coupons=_coupons(session.get("metadata") or {}, session.get("discounts") or ()),
        lines=_lines(session.get("line_items") or {}, currency),
        begins_subscription=session["mode"] == SUBSCRIPTION,
        told=_told(session.get("metadata") or {}, str(session.get("client_reference_id") or "")),
    )


def of_invoice(invoice: Body) -> Paid:
    """What a paid invoice says; what the shop told of its subscription holds for it, too, but for the order's number."""
    currency = _currency(invoice)
    taxes = sum(each["amount"] for each in invoice.get("total_taxes") or ())
    without = invoice.get("total_excluding_tax")
    net = (invoice["total"] - taxes if without is None else without) - _shipping(
        invoice.get("shipping_cost"), invoice
    )
    discounted = sum(each["amount"] for each in invoice.get("total_discount_amounts") or ())
    own = invoice.get("metadata") or {}
    subscribed = _told(_subscription(invoice).get("metadata") or {}, "")
    return Paid(
        object_id=invoice["id"],
        at=_moment((invoice.get("status_transitions") or {}).get("paid_at") or invoice["created"]),
        currency=currency,
        amount_minor=max(0, minor_of(net, currency)),
        discount_minor=max(0, minor_of(discounted, currency)),
        payment_intent=payment_of(invoice),
        customer=id_of(invoice.get("customer")),
        email=str(invoice.get("customer_email") or ""),
        begins_subscription=invoice.get("billing_reason") == FIRST_OF_SUBSCRIPTION,
        told=replace(subscribed, order_id=str(own.get("order_id") or "")),
    )


def of_charge(
    charges: Sequence[Body], disputes: Sequence[Body], refunds: Sequence[Body] = ()
) -> Charged | None:
    """What became of a payment: its charge that succeeded, with the disputes and the refunds of that charge.

    A refund that failed does not count, whether or not the charge's own sum knows of that already.
    """
    found = next((each for each in charges if each.get("paid")), None)
    if found is None:
        return None
    return Charged(
        charge_id=found["id"],
        at=_moment(found["created"]),
        amount=found["amount"],
        refunded=_refunded(found["amount_refunded"], refunds),
        lost=sum(each["amount"] for each in disputes if each["status"] == "lost"),
        disputed=tuple(each["id"] for each in disputes if each["status"] not in DECIDED),
        order_id=_name(str((found.get("metadata") or {}).get("order_id") or "")),
        card=str(_card(found).get("fingerprint") or ""),
    )


def _refunded(by_charge: int, refunds: Sequence[Body]) -> int:
    stand = sum(each["amount"] for each in refunds if each["status"] not in {"failed", "canceled"})
    return min(by_charge, stand) if refunds else int(by_charge)


def _card(charge: Body) -> Body:
    card: Body = (charge.get("payment_method_details") or {}).get("card") or {}
    return card


def payment_of(invoice: Body) -> str:
    """The payment that paid an invoice; empty when it was not paid through Stripe."""
    payments = (invoice.get("payments") or {}).get("data") or ()
    found = (
        id_of((each.get("payment") or {}).get("payment_intent"))
        for each in payments
        if each["status"] == "paid"
    )
    return next((each for each in found if each), "")


def is_settled(session: Body) -> bool:
    """Whether all is paid that a session asks for: nothing, where a subscription begins with a free trial.

    A session that only sets up a card sells nothing, ever.
    """
    how: str = session["payment_status"]
    return how == "paid" or (
        how == "no_payment_required" and session["status"] == "complete" and session["mode"] != "setup"
    )


def subscription_begun_by(invoice: Body) -> str:
    """The subscription whose first invoice this is; empty for every later one and for those without."""
    if invoice.get("billing_reason") != FIRST_OF_SUBSCRIPTION:
        return ""
    return id_of(_subscription(invoice).get("subscription"))


def id_of(reference: object) -> str:
    """The id of what Stripe names by id or, expanded, by the object; empty for nothing."""
    if isinstance(reference, dict):
        return str(reference.get("id") or "")
    return reference if isinstance(reference, str) else ""


def _subscription(invoice: Body) -> Body:
    parent = invoice.get("parent") or {}
    return parent.get("subscription_details") or {}


def _told(metadata: Body, reference: str) -> Told:
    """What does not have the form of a name is left out: a sale is not lost for it."""
    names = ("spk", "spokes_code", "order_id", "customer_id")
    token, code, order_id, customer_id = (str(metadata.get(name) or "").strip() for name in names)
    referred = tokens.of_reference(reference)
    clicked = token.split() or ([referred] if tokens.verify(referred) else [])
    kept = tuple(each[:LONGEST_TOKEN] for each in clicked[:MOST_TOKENS])
    return Told(kept, code[:LONGEST_CODE], _name(order_id), _name(customer_id))


def _name(text: str) -> str:
    return text if NAME.fullmatch(text) else ""


def _shipping(cost: Body | None, totals: Body) -> int:
    """Shipping without its tax, which is in the sum of taxes already."""
    if cost:
        return int(cost["amount_total"] - cost["amount_tax"])
    return int(totals.get("amount_shipping") or 0)


def _coupons(metadata: Body, discounts: Sequence[Body]) -> tuple[str, ...]:
    """The shop's own coupon, the promotion codes that the buyer typed, else the ids of the coupons."""
    found = [str(metadata.get("spokes_coupon") or "")]
    for each in discounts:
        typed = each.get("promotion_code")
        found.append(str(typed["code"]) if isinstance(typed, dict) else id_of(each.get("coupon")))
    return tuple(each for each in found if each)


def _lines(listed: Body, currency: str) -> tuple[dict[str, object], ...]:
    """The positions; none when Stripe lists only some of them."""
    if listed.get("has_more"):
        return ()
    return tuple(
        {
            "sku": _sku(each.get("price") or {}),
            "amount_minor": max(0, minor_of(each["amount_total"] - each["amount_tax"], currency)),
            "quantity": each.get("quantity") or 1,
        }
        for each in listed.get("data") or ()
    )


def _sku(price: Body) -> str:
    metadata = price.get("metadata") or {}
    return str(
        metadata.get("sku")
        or price.get("lookup_key")
        or id_of(price.get("product"))
        or price.get("id")
        or "?"
    )


def _currency(body: Body) -> str:
    return str(body.get("currency") or "").upper()


def _moment(seconds: int) -> datetime:
    """The end of that second: what began in the same one (a link, a certification) was there at the sale."""
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=999_999)
