"""The lines of a Checkout session, from `line_items[0][price_data]…`, and what they add up to."""

from dataclasses import dataclass

from sandbox.stripe import params
from sandbox.stripe.balance import known_currency
from sandbox.stripe.errors import StripeRefusal, missing_param
from sandbox.stripe.form import Tree
from sandbox.stripe.ids import new_id
from sandbox.stripe.store import Json

TAX_PERCENT = 20  # on top, where automatic tax is asked for
INTERVALS = ("day", "month", "week", "year")


@dataclass(frozen=True)
class Sums:
    """What a session costs, in Stripe's units."""

    subtotal: int
    discount: int
    shipping: int
    tax: int

    @property
    def total(self) -> int:
        """What is paid."""
        return self.subtotal - self.discount + self.shipping + self.tax


NOTHING = Sums(0, 0, 0, 0)
"""what is due where a subscription begins with a trial"""


def read(sent: list[Tree], now: int) -> list[Json]:
    """The line items with their prices; all of one currency."""
    if not sent:
        raise missing_param("line_items")
    lines = [_line(each, now) for each in sent]
    if len({each["currency"] for each in lines}) > 1:
        raise StripeRefusal("All line items have to be in one currency.", param="line_items")
    return lines


def _line(sent: Tree, now: int) -> Json:
    params.allow(sent, "price_data", "quantity")
    price = _price(params.branch(sent, "price_data"), now)
    quantity = params.amount(sent, "quantity") or 1
    amount = price["unit_amount"] * quantity
    return {
        "id": new_id("li"), "object": "item", "amount_discount": 0, "amount_subtotal": amount, "amount_tax": 0,
        "amount_total": amount, "currency": price["currency"], "description": price["nickname"], "price": price,
        "quantity": quantity,
    }  # fmt: skip


def _price(sent: Tree, now: int) -> Json:
    params.allow(sent, "currency", "unit_amount", "product_data", "recurring", "tax_behavior")
    amount, currency = params.amount(sent, "unit_amount"), known_currency(params.required(sent, "currency"))
    if amount is None:
        raise missing_param("line_items[0][price_data][unit_amount]")
    product, interval = params.branch(sent, "product_data"), _interval(params.branch(sent, "recurring"))
    recurring = interval and {
        "interval": interval,
        "interval_count": 1,
        "meter": None,
        "usage_type": "licensed",
    }
    return {
        "id": new_id("price"), "object": "price", "active": False, "billing_scheme": "per_unit", "created": now,
        "currency": currency, "custom_unit_amount": None, "livemode": False, "lookup_key": None,
        "metadata": {}, "nickname": params.required(product, "name"),
        "product": new_id("prod", 14), "recurring": recurring, "tax_behavior": "unspecified", "tiers_mode": None,
        "transform_quantity": None, "type": "recurring" if recurring else "one_time", "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }  # fmt: skip


def _interval(sent: Tree) -> str | None:
    interval = params.text(sent, "interval")
    if interval is not None and interval not in INTERVALS:
        raise StripeRefusal(f"Invalid interval: must be one of {', '.join(INTERVALS)}", param="recurring")
    return interval


def subtotal_of(lines: list[Json]) -> int:
    """What the lines cost by their prices, whatever is due now."""
    return sum(each["price"]["unit_amount"] * each["quantity"] for each in lines)


def of_trial(lines: list[Json]) -> list[Json]:
    """The lines while nothing is due for them."""
    return [
        each | {"amount_discount": 0, "amount_subtotal": 0, "amount_tax": 0, "amount_total": 0}
        for each in lines
    ]


def shared_out(lines: list[Json], sums: Sums) -> list[Json]:
    """The lines with their share of discount and tax; the last takes what rounding leaves."""
    before = sum(each["amount_subtotal"] for each in lines)
    left, tax_left, made = sums.discount, tax_of(before - sums.discount) if sums.tax else 0, []
    for place, each in enumerate(lines, start=1):
        last = place == len(lines)
        off = left if last else sums.discount * each["amount_subtotal"] // before
        tax = tax_left if last else (tax_of(each["amount_subtotal"] - off) if sums.tax else 0)
        left, tax_left = left - off, tax_left - tax
        total = each["amount_subtotal"] - off + tax
        made.append(each | {"amount_discount": off, "amount_tax": tax, "amount_total": total})
    return made


def tax_of(net: int) -> int:
    """The local Stripe's only tax."""
    return net * TAX_PERCENT // 100
