"""Files of conversions and refunds, read line by line into what the API would take."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import ValidationError

from core.csv_in import read_table
from core.errors import Invalid, SpokesError
from core.inputs import REQUEST, Input, refuse
from core.money import require_currency, to_minor
from referrals.conversions.conversion_input import NORMALISED, NewConversion, NewRefund
from referrals.conversions.import_rows import ImportKind
from referrals.conversions.touches import email_hash
from referrals.fraud.fraud_addresses import digest, normalised

MOST_ROWS = 10_000
CONVERSIONS: Mapping[str, bool] = {
    "order": True, "at": True, "amount": False, "currency": False, "kind": False, "click": False, "code": False,
    "coupon": False, "customer": False, "email": False, "tax": False, "shipping": False, "discount": False,
}  # fmt: skip
REFUNDS: Mapping[str, bool] = {
    "refund": True, "order": True, "at": True, "amount": True, "currency": True, "reason": False,
}  # fmt: skip
NOTES: Mapping[str, bool] = {"line": False, "why": False}
"""what our own file of refused lines says beside the columns: read over, so that a mended one can be sent"""
PARTS = ("tax", "shipping", "discount")
COLUMNS: Mapping[ImportKind, Mapping[str, bool]] = {"conversions": CONVERSIONS, "refunds": REFUNDS}
"""kind → column → whether it is required"""
IDENTIFIES: Mapping[ImportKind, str] = {"conversions": "order", "refunds": "refund"}
"""kind → the column that tells its lines apart"""
_DIGEST = re.compile(r"[0-9a-f]{64}")
WORDS: Mapping[ImportKind, Mapping[str, str]] = {
    "conversions": {
        "external_id": "order",
        "occurred_at": "at",
        "amount_minor": "amount",
        "tax_minor": "tax",
        "shipping_minor": "shipping",
        "discount_minor": "discount",
        "customer.external_id": "customer",
        "customer.email_sha256": "email",
    },
    "refunds": {
        "external_id": "refund",
        "conversion_external_id": "order",
        "occurred_at": "at",
        "amount_minor": "amount",
    },
}
"""kind → the API's names in those of the columns, for refusals"""


class WrongAmount(Invalid):
    """An amount is written like 129.00 or 129,00, without thousands separators."""


class AmountMissing(Invalid):
    """The amount is missing beside its currency. A lead without an amount leaves both empty, or says lead in the column kind."""


class WrongMoment(Invalid):
    """A moment is written with its zone, like 2026-11-02T10:15:00Z or 2026-11-02T11:15:00+01:00."""


class TwiceInFile(Invalid):
    """This is in the file twice."""


class NothingInFile(Invalid):
    """There is no row in this file besides its first line."""


@dataclass(frozen=True)
class Line:
    """A line that could be read (`said`), or why not (`problem`)."""

    number: int
    external_id: str
    cells: dict[str, str]
    said: dict[str, Any] | None
    problem: str = ""


def read_file(raw: bytes, kind: ImportKind) -> list[Line]:
    """Every line of a file, at most 10,000; raises NotCsv, WrongColumns, TooManyRows, NothingInFile for the whole of it."""
    table = read_table(raw, {**COLUMNS[kind], **NOTES}, MOST_ROWS)
    if not table:
        raise NothingInFile
    identifies = IDENTIFIES[kind]
    seen: dict[str, int] = {}
    lines = []
    for number, cells in table:
        first = seen.setdefault(cells[identifies], number) if cells[identifies] else number
        given = {name: cells[name] for name in COLUMNS[kind]}
        lines.append(_line(number, given, cells[identifies], kind, first))
    return lines


def _line(number: int, cells: dict[str, str], external_id: str, kind: ImportKind, first: int) -> Line:
    kept = (number, external_id[:200], _kept(cells))
    try:
        if first != number:
            raise TwiceInFile(f"This is in the file twice: first on line {first}.")
        return Line(*kept, _READ[kind](cells).model_dump(mode="json"))
    except ValidationError as error:
        problems = refuse(error, WORDS[kind]).problems.items()
        said = (sentence if name == REQUEST else f"{name}: {sentence}" for name, sentence in problems)
        return Line(*kept, None, " ".join(said))
    except SpokesError as error:
        return Line(*kept, None, error.sentence)


def _kept(cells: dict[str, str]) -> dict[str, str]:
    """The cells that have something in them; only its hash of an e-mail address."""
    filled = {name: value for name, value in cells.items() if value}
    return {**filled, "email": _hashed(filled["email"])} if "email" in filled else filled


def _hashed(email: str) -> str:
    """The hash of an address; one that is a hash already stays."""
    lower = email.lower()
    return lower if _DIGEST.fullmatch(lower) else email_hash(email)


def _conversion(cells: dict[str, str]) -> NewConversion:
    given = {name: value for name, value in cells.items() if value}
    amount = _minor(given.get("amount"), given.get("currency"))
    kind = given.get("kind", "").lower()
    if amount is None and "currency" in given and kind != "lead":
        raise AmountMissing
    customer = {"external_id": given.get("customer")} if "customer" in given else {}
    metadata = {}
    if "email" in given:  # only its hashes go on
        customer["email_sha256"] = _hashed(given["email"])
        if "@" in given["email"]:
            metadata[NORMALISED] = digest(normalised(given["email"]))
    return NewConversion.model_validate(
        {
            "external_id": cells["order"],
            "kind": kind or ("sale" if amount is not None else "lead"),
            "occurred_at": _moment(cells["at"]),
            "click": given.get("click"),
            "code": given.get("code"),
            "coupon": given.get("coupon"),
            "amount_minor": amount,
            "currency": given["currency"].upper() if amount is not None else None,
            "customer": customer or None,
            "metadata": metadata,
            **{f"{each}_minor": _minor(given.get(each), given.get("currency")) for each in PARTS},
        }
    )


def _refund(cells: dict[str, str]) -> NewRefund:
    return NewRefund.model_validate(
        {
            "external_id": cells["refund"],
            "conversion_external_id": cells["order"],
            "amount_minor": _minor(cells["amount"], cells["currency"]),
            "currency": cells["currency"].upper() or None,
            "occurred_at": _moment(cells["at"]),
            "reason": cells["reason"],
        }
    )


_READ: dict[ImportKind, Callable[[dict[str, str]], Input]] = {"conversions": _conversion, "refunds": _refund}


def _moment(written: str) -> str:
    try:
        if datetime.fromisoformat(written).tzinfo is None:
            raise WrongMoment
    except ValueError as error:
        raise WrongMoment from error
    return written


def _minor(amount: str | None, currency: str | None) -> int | None:
    """`129.00` or `129,00` in minor units; raises WrongAmount, UnknownCurrency, TooManyDecimals."""
    if not amount:
        return None
    if not currency:
        raise WrongAmount("An amount needs its currency, like EUR.")
    require_currency(currency.upper())
    plain = amount.replace(",", ".") if amount.count(",") == 1 and "." not in amount else amount
    try:
        major = Decimal(plain)
    except InvalidOperation as error:
        raise WrongAmount from error
    if not major.is_finite() or abs(major.adjusted()) > 15 or not set(plain) <= set("0123456789.-"):  # noqa: PLR2004 - beyond any sale
        raise WrongAmount
    return to_minor(major, currency.upper())
