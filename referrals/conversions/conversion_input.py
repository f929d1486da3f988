"""What a shop may say of a conversion or a refund, and nothing else."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)
from pydantic.types import StringConstraints

from core.clock import now
from core.described import Described
from core.errors import SpokesError
from core.inputs import Currency, Input, Key, Moment
from core.money import POINTS, require_currency

MOST_MINOR = 10**12
MOST_LINES = 200
MOST_METADATA = 50
MOST_CLICKS = 20
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = timedelta(days=1)


def _plausible(value: datetime) -> datetime:
    if not EARLIEST <= value <= now() + LATEST:
        raise ValueError("must not be before 2000 or more than a day ahead")
    return value.astimezone(UTC)


def _known(value: str) -> str:
    try:
        require_currency(value)
    except SpokesError as error:
        raise ValueError(error.sentence) from error
    if value == POINTS:
        raise ValueError("points are no currency")
    return value


def _small_enough(value: object) -> object:
    """Refuse what is beyond any sale, without the number: files and postbacks write sums in the main unit."""
    if isinstance(value, int) and value > MOST_MINOR:
        raise ValueError("this sum is too large")
    return value


Occurred = Annotated[Moment, AfterValidator(_plausible)]
Amount = Annotated[StrictInt, Field(ge=0, le=MOST_MINOR), BeforeValidator(_small_enough)]
KnownCurrency = Annotated[Currency, AfterValidator(_known)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$", to_lower=True)]
Short = Annotated[StrictStr, StringConstraints(max_length=100, min_length=1)]
Token = Annotated[StrictStr, StringConstraints(min_length=1, max_length=300)]


def _single(value: object) -> object:
    """Refuse what is no plain value, with one sentence instead of one for each kind of value."""
    if isinstance(value, str | int | float | None) and not (
        isinstance(value, str) and len(value) > LONGEST_VALUE
    ):
        return value
    raise ValueError(f"has to be text of up to {LONGEST_VALUE} characters, a number, true, false or null")


LONGEST_VALUE = 500
Value = Annotated[
    StrictBool | StrictInt | float | Annotated[StrictStr, StringConstraints(max_length=LONGEST_VALUE)] | None,
    BeforeValidator(_single),
]


class Written(Described, Input):
    """Input whose fields say what they mean, in the API's document too."""


class NewCustomer(Written):
    """Who bought: the shop's own id, and a SHA-256 of the lower-case e-mail address, never the address."""

    external_id: Key | None = None
    """the shop's own id of the customer"""
    email_sha256: Digest | None = None
    """SHA-256 of the e-mail address in lower case, as 64 hexadecimal digits"""

    @model_validator(mode="after")
    def _somebody(self) -> "NewCustomer":
        if not (self.external_id or self.email_sha256):
            raise ValueError("a customer has {customer.external_id} or {customer.email_sha256}")
        return self


class NewLine(Written):
    """One position of an order."""

    sku: Key
    amount_minor: Amount
    """of the whole line, in minor units"""
    quantity: Annotated[StrictInt, Field(ge=1, le=1_000_000)] = 1


class NewConversion(Written):
    """A lead or a sale as it arrives."""

    external_id: Key
    """the shop's own id of the order: sent again it is known again"""
    kind: Literal["lead", "sale"]
    occurred_at: Occurred
    """when it happened, with a time zone; not before 2000, at most a day ahead"""
    click: Token | None = None
    """the click token `spk` from the cookie or the address; at least one of click, code, coupon, customer is needed"""
    code: Annotated[StrictStr, StringConstraints(min_length=1, max_length=64)] | None = None
    """a link's code that the customer named"""
    coupon: Annotated[StrictStr, StringConstraints(min_length=1, max_length=64)] | None = None
    clicks: list[Token] = Field(default_factory=list, max_length=MOST_CLICKS)
    """further clicks of the same visitor, for programmes whose rule looks at more than one"""
    amount_minor: Amount | None = None
    """what was paid, in minor units; a sale needs it"""
    currency: KnownCurrency | None = None
    """ISO 4217, beside every amount"""
    tax_minor: Amount | None = None
    """what of the amount is tax, in minor units, for rules that reward without it"""
    shipping_minor: Amount | None = None
    """what of the amount is shipping, without its tax"""
    discount_minor: Amount | None = None
    """what was taken off before: the amount is what was paid after it"""
    customer: NewCustomer | None = None
    lines: list[NewLine] = Field(default_factory=list, max_length=MOST_LINES)
    metadata: dict[Short, Value] = Field(default_factory=dict, max_length=MOST_METADATA)
    """anything of the shop's own: up to 50 short values"""

    @model_validator(mode="after")
    def _whole(self) -> "NewConversion":
        if not (self.click or self.clicks or self.code or self.coupon or self.customer):
            raise ValueError("at least one of click, code, coupon and customer is needed")
        if (self.amount_minor is None) != (self.currency is None):
            raise ValueError("{amount_minor} and {currency} belong together")
        if self.kind == "sale" and self.amount_minor is None:
            raise ValueError("a sale needs {amount_minor} and {currency}")
        if self.amount_minor is None and self.discount_minor is not None:
            raise ValueError("{discount_minor} needs {amount_minor} beside it")
        if (self.tax_minor or 0) + (self.shipping_minor or 0) > (self.amount_minor or 0):
            raise ValueError(
                "{tax_minor} and {shipping_minor} are parts of {amount_minor}, and no more than it"
            )
        return self


class NewRefund(Written):
    """Money given back on a sale, as it arrives."""

    external_id: Key
    """the shop's own id of the refund: sent again it is known again"""
    conversion_external_id: Key
    """the sale that it takes back; one that is not known yet is waited for"""
    amount_minor: Annotated[StrictInt, Field(gt=0, le=MOST_MINOR), BeforeValidator(_small_enough)]
    currency: KnownCurrency | None = None
    """where it is said, it has to be the sale's"""
    reason: Annotated[str, StringConstraints(max_length=500)] = ""
    occurred_at: Occurred


class TakenBackRefund(Input):
    """A refund that did not happen after all."""

    external_id: Key
    """the one it was told with"""


_LATER = ("clicks", "tax_minor", "shipping_minor", "discount_minor")
"""what was stored before there were these fields keeps its hash: without a value they are no part of it"""
NORMALISED = "email_normalized_sha256"
"""the word of the metadata that says the buyer's address once more, in its one form; no part of the content either: not every door knows it"""
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def content_hash(given: Input) -> str:
    """SHA-256 over the canonical form: the same content in other words (zones, order of fields) has the same."""
    plain = _plain(given)
    plain.get("metadata", {}).pop(NORMALISED, None)
    return _hash(plain)


def hashes_of(given: NewConversion) -> frozenset[str]:
    """Its hash, and the one of before December 2026, when NORMALISED was part of the content as any other word."""
    return frozenset({content_hash(given), _hash(_plain(given))})


def _plain(given: Input) -> dict[str, Any]:
    # A refund's currency is its sale's: with or without it, it is the same refund.
    beside = {"currency"} if isinstance(given, NewRefund) else None
    plain: dict[str, Any] = given.model_dump(mode="json", exclude=beside)
    for name in _LATER:
        if not plain.get(name):
            plain.pop(name, None)
    return plain


def _hash(plain: dict[str, Any]) -> str:
    return hashlib.sha256(_CANONICAL.encode(plain).encode()).hexdigest()
