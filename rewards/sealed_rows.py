"""What of money's papers is kept sealed: put under the newest key by the clock, and looked at by `bin/spokes check`."""

from collections.abc import Iterator
from typing import Any

from sqlmodel import select

from core.db import session
from core.sealed import CannotOpen, resealed, unseal
from rewards.payouts.bank_accounts import BankAccount
from rewards.tax.invoices import Invoice
from rewards.tax.tax_forms import EarlierTaxForm, TaxForm

SEALED = (
    (BankAccount, "iban", "the bank account"),
    (TaxForm, "details", "the tax form"),
    (EarlierTaxForm, "details", "the earlier tax form"),
    (Invoice, "supplier", "the supplier of invoice"),
)
"""table, column, what it is in a sentence"""


def reseal() -> int:
    """Job: put every one under the newest key; answers how many were under an older one. Raises CannotOpen."""
    changed = 0
    for row, column, _what in _rows():
        newer = resealed(getattr(row, column))
        if newer is not None:
            setattr(row, column, newer)
            session().add(row)
            changed += 1
    return changed


def unopenable() -> list[str]:
    """Check: every one that no key opens, as a sentence."""
    wrong = []
    for row, column, what in _rows():
        try:
            unseal(getattr(row, column))
        except CannotOpen:
            wrong.append(f"{what} {row.id} cannot be opened by any key")
    return wrong


def _rows() -> Iterator[tuple[Any, str, str]]:
    for table, column, what in SEALED:
        for row in session().exec(select(table)):
            yield row, column, what
