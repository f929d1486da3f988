"""What affiliate systems post back, read into conversions: `order`, `click`, `code`, `coupon`, `amount` in the main unit …"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from pydantic.types import StringConstraints

from core.access import Actor
from core.clock import now
from core.inputs import Currency, Input, Key, refuse
from core.money import to_minor
from referrals import conversions
from referrals.conversions import Conversion, ConversionDiffers, NewConversion
from referrals.same_order import one_at_a_time

Short = Annotated[str, StringConstraints(max_length=300)]


class Postback(Input):
    """One order, as the words of an address or a form; a sale when it has an amount, else a lead."""

    order: Key
    click: Short | None = None
    code: Short | None = None
    coupon: Short | None = None
    customer: Key | None = None
    kind: Literal["lead", "sale"] | None = None
    amount: Decimal | None = Field(default=None, ge=0, max_digits=16, decimal_places=4)
    currency: Currency | None = None
    at: datetime | None = None


def take(told: Postback, *, by: Actor, unit_id: str) -> tuple[Conversion, bool]:
    """Record the order, and whether it is new.

    One that is known with the same kind and amount is simply known, whatever else is told of it: systems repeat
    themselves with another moment. Raises ConversionDiffers, InvalidInput, UnknownCurrency, TooManyDecimals.
    """
    said = _said(told)
    one_at_a_time(told.order)
    known = conversions.find_conversion(unit_id, told.order)
    if known is None:
        return conversions.record(said, by=by, unit_id=unit_id)
    if (known.kind, known.amount_minor, known.currency) != (
        said.kind,
        said.amount_minor or 0,
        said.currency or "",
    ):
        raise ConversionDiffers
    return known, False


def _said(told: Postback) -> NewConversion:
    sum_told = told.amount is not None and told.currency is not None
    minor = to_minor(told.amount, told.currency) if told.amount is not None and told.currency else told.amount
    said: dict[str, Any] = {
        "external_id": told.order,
        "kind": told.kind or ("sale" if sum_told else "lead"),
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
        raise refuse(error) from error
