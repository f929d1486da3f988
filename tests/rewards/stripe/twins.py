"""One order in two tellings: Stripe's, which nobody won, and a shop's, which somebody wins."""

from typing import Any

from core.db import transaction
from referrals.conversions.conversions import Conversion
from rewards.stripe import stripe_events, stripe_facts, stripe_gateway
from tests.factories import Cast
from tests.referrals.stories import bring
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stripe.shop import every

NUMBER = "1042"
Body = dict[str, Any]
"""one of Stripe's objects"""


def shop_tells(cast: Cast, amount_minor: int = 50_000) -> Conversion:
    with transaction():
        sale = bring(cast.north.id, external_id=NUMBER, amount_minor=amount_minor, code="ana")
    stripe_events.apply_events()
    return sale


def given_back() -> dict[str | None, int]:
    """Winner → what was given back."""
    return {each.membership_id: each.refunded_minor for each in every()}


def south_tells(cast: Cast, amount_minor: int) -> Conversion:
    """Another unit sells under the same number."""
    with transaction():
        sale = bring(cast.south.id, external_id=NUMBER, amount_minor=amount_minor, code="sue")
    stripe_events.apply_events()
    return sale


def first_invoice(stripe: LocalStripe, made: Body) -> Body:
    """The invoice of the session that began a subscription."""
    (invoice,) = stripe.read("invoices", subscription=made["subscription"])["data"]
    return dict(invoice)


def payment_of_first(stripe: LocalStripe, made: Body) -> str:
    """What it was paid by."""
    return stripe_facts.payment_of(stripe_gateway.read_invoice(first_invoice(stripe, made)["id"]))


def goes_back_of_first(stripe: LocalStripe, made: Body, amount: int) -> Body:
    """So much of it is refunded; the answer is its charge."""
    payment = payment_of_first(stripe, made)
    stripe.api("refunds", payment_intent=payment, amount=str(amount))
    (charge,) = stripe.read("charges", payment_intent=payment)["data"]
    return dict(charge)
