"""Paying at Stripe: the shop makes a Checkout session that carries its order's number and who sent the visitor."""

from dataclasses import dataclass

import requests

from sandbox.shop.catalogue import CURRENCY, PRODUCTS
from sandbox.shop.orders import Order

TIMEOUT_S = 10.0
MOST_METADATA = 500


@dataclass(frozen=True)
class Stripe:
    """Where Stripe's API is, and the shop's key to it; without an address nobody can pay there."""

    url: str = ""
    key: str = "sk_test_local"


def begin_payment(stripe: Stripe, order: Order, tokens: str, shop_url: str) -> str:
    """The address where the order is paid; raises requests.RequestException."""
    answer = requests.post(
        f"{stripe.url.rstrip('/')}/v1/checkout/sessions",
        data=_session(order, tokens, shop_url.rstrip("/")),
        headers={"Authorization": f"Bearer {stripe.key}", "Idempotency-Key": f"order-{order.number}"},
        timeout=TIMEOUT_S,
    )
    answer.raise_for_status()
    return str(answer.json()["url"])


def _session(order: Order, tokens: str, shop_url: str) -> dict[str, str]:
    """The session as Stripe's API takes it."""
    form = {
        "mode": "payment", "customer_email": order.email, "allow_promotion_codes": "true",
        "success_url": f"{shop_url}/orders/{order.number}/thanks?paid=stripe", "cancel_url": f"{shop_url}/basket",
        "metadata[order_id]": order.number, "payment_intent_data[metadata][order_id]": order.number,
    }  # fmt: skip
    if tokens:
        form["metadata[spk]"] = (
            tokens[:MOST_METADATA].rpartition(" ")[0] if len(tokens) > MOST_METADATA else tokens
        )
    if order.coupon:
        form["metadata[spokes_coupon]"] = order.coupon
    for place, line in enumerate(order.lines):
        price = f"line_items[{place}][price_data]"
        form |= {
            f"line_items[{place}][quantity]": str(line.quantity), f"{price}[currency]": CURRENCY.lower(),
            f"{price}[unit_amount]": str(PRODUCTS[line.sku].price_minor),
            f"{price}[product_data][name]": PRODUCTS[line.sku].name,
        }  # fmt: skip
    return form
