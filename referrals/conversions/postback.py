"""What affiliate systems post back, read into conversions: `order`, `click`, `code`, `coupon`, `amount` in the main unit …"""

import re
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ValidationError
from pydantic.types import StringConstraints

from core.access import Actor
from core.clock import now
from core.inputs import Currency, Input, InvalidInput, Key, Moment, refuse
from core.money import to_minor
from referrals.conversions import conversions
from referrals.conversions.conversions import Conversion, ConversionDiffers, NewConversion
from referrals.conversions.same_order import STRIPE, one_at_a_time

Short = Annotated[str, StringConstraints(max_length=300)]
WORDS = {
    "external_id": "order",
    "occurred_at": "at",
    "amount_minor": "amount",
    "customer.external_id": "customer",
}
"""the API's names in those of a postback, for refusals"""
_AMOUNT = re.compile(r"(?P<whole>[0-9]{1,12})([.](?P<four>[0-9]{4})|[.][0-9]{1,3})?")


def _plain(written: object) -> object:
    """As many affiliate systems write it: with four decimals whatever the currency, of which the last may be nothing."""
    if not isinstance(written, str):
        return written
    found = _AMOUNT.fullmatch(written.strip())
    if found is None:
        raise ValueError("an amount is written like 129.00, without thousands separators")
    return f"{found['whole']}.{found['four'].rstrip('0')}" if found["four"] else written


class Postback(Input):
    """One order, as the words of an address or a form; a sale when it has an amount, else a lead."""

    each_once: ClassVar[bool] = True
    order: Key
    click: Short | None = None
    code: Short | None = None
    coupon: Short | None = None
    customer: Key | None = None
    kind: Literal["lead", "sale"] | None = None
    amount: Annotated[Decimal, BeforeValidator(_plain)] | None = None
    currency: Currency | None = None
    at: Moment | None = None


def take(told: Postback, *, by: Actor, unit_id: str) -> tuple[Conversion, bool]:
    """Record the order, and whether it is new.

    One that is known with the same kind and amount is simply known, whatever else is told of it: systems repeat
    themselves with another moment. So is one that Stripe told, whatever its amount. Raises ConversionDiffers, InvalidInput, UnknownCurrency, TooManyDecimals.
    """
    said = _said(told)
    one_at_a_time(told.order)
    known = conversions.find_conversion(unit_id, told.order)
    if known is None:
        return conversions.record(said, by=by, unit_id=unit_id)
    about = known.kind, known.currency
    if about != (said.kind, said.currency or ""):
        raise ConversionDiffers
    # Stripe says what was paid, others often what it was without the tax.
    if known.amount_minor != (said.amount_minor or 0) and known.brought_by != STRIPE:
        raise ConversionDiffers
    return known, False


def _said(told: Postback) -> NewConversion:
    minor = None
    if told.amount is not None and told.currency is not None:
        minor = to_minor(told.amount, told.currency)
    elif told.amount is not None or told.currency is not None:
        missing = "amount" if told.amount is None else "currency"
        raise InvalidInput(
            {missing: "An amount and its currency belong together: amount=129.00&currency=EUR."}
        )
    said: dict[str, Any] = {
        "external_id": told.order,
        "kind": told.kind or ("lead" if minor is None else "sale"),
        "occurred_at": (told.at or now()).isoformat(),
        "click": told.click,
        "code": told.code,
        "coupon": told.coupon,
        "customer": {"external_id": told.customer} if told.customer else None,
        "amount_minor": minor,
        "currency": told.currency,
    }
    try:
        return NewConversion.model_validate(said)
    except ValidationError as error:
        raise refuse(error, WORDS) from error
