"""Exchange rates as a table, in the shape in which the European Central Bank publishes its own.

`Date, USD, JPY` in the first line, a line for each day below: `2026-11-26, 1.0850, 163.20`, or `26 November 2026, …`. What
the bank does not say (N/A, or nothing) is left out.
"""

import csv
import io
import re
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from core.errors import Invalid
from core.money import require_currency
from rewards.rules.exchange_rates import NewRate, check

MOST_LINES, MOST_RATES, MOST_TEXT = 400, 20_000, 200_000
_NONE = {"", "N/A", "-"}
_NUMBER = re.compile(r"[0-9]{1,10}(\.[0-9]{1,12})?")


class WrongTable(Invalid):
    """Write the currencies in the first line, Date, USD, JPY, and a line for each day below: 2026-11-26, 1.0850, 163.20."""


def read(text: str, base: str) -> list[NewRate]:
    """The rates of a table, each from `base`; raises WrongTable, WrongRate and UnknownCurrency with the line they are in."""
    try:
        rows = list(csv.reader(io.StringIO(text.strip()), delimiter=_delimiter(text)))
    except csv.Error as error:
        raise WrongTable from error
    lines = [line for row in rows if any(line := [cell.strip() for cell in row])]
    if len(lines) < 2 or len(lines) > MOST_LINES or lines[0][0].lower() != "date":  # noqa: PLR2004 - a head and a day
        raise WrongTable
    currencies = [each.upper() for each in lines[0][1:]]
    while currencies and not currencies[-1]:  # the bank ends its lines with a comma
        currencies.pop()
    if not all(currencies) or not currencies or len(set(currencies)) != len(currencies):
        raise WrongTable
    for place, each in enumerate(currencies, 1):
        if any(cell.upper() not in _NONE for line in lines[1:] for cell in line[place : place + 1]):
            require_currency(each)  # one that is none any more stands in the bank's tables without a value
    found = [
        rate for number, line in enumerate(lines[1:], 2) for rate in _line(line, number, currencies, base)
    ]
    if len({(each.day, each.quote) for each in found}) != len(found):
        raise WrongTable("A day is there twice. Leave one of its lines.")
    if not found or len(found) > MOST_RATES:
        raise WrongTable
    return found


def _delimiter(text: str) -> str:
    first = text.strip().partition("\n")[0]
    return next((each for each in (";", "\t") if each in first), ",")


def _line(line: list[str], number: int, currencies: list[str], base: str) -> list[NewRate]:
    day = _day(line[0], number)
    if any(line[len(currencies) + 1 :]):
        raise WrongTable(f"Line {number} has more values than there are currencies.")
    said = [
        (currency, cell)
        for currency, cell in zip(currencies, line[1:], strict=False)
        if cell.upper() not in _NONE
    ]
    rates = [NewRate(base, currency, _number(cell, number), day) for currency, cell in said]
    for each in rates:
        check(each, f"Line {number}: ")
    return rates


def _number(cell: str, number: int) -> Decimal:
    if not _NUMBER.fullmatch(cell):
        raise WrongTable(f"Line {number}: {cell[:40]} is no rate. Write it with a point, like 1.0850.")
    try:
        return Decimal(cell)
    except InvalidOperation as error:
        raise WrongTable from error


def _day(cell: str, number: int) -> date:
    if not cell.isascii():
        raise WrongTable(f"Line {number}: {cell[:40]} is no day. Write it like 2026-11-26.")
    for form in ("%Y-%m-%d", "%d %B %Y"):
        try:
            return datetime.strptime(cell, form).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    raise WrongTable(f"Line {number}: {cell[:40]} is no day. Write it like 2026-11-26.")
