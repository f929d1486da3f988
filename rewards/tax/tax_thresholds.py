"""From which sums on authorities want to be told of payments: dated data, for finance to look at, never advice.

Each entry says where its rule is written. A year's payments are held against what was in force in that year.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.money import Money

EU = frozenset(
    ["AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV", "MT",
     "NL", "PL", "PT", "RO", "SE", "SI", "SK"]
)  # fmt: skip
UNKNOWN = "country unknown"
"""stands for the reports of somebody of whom no form and no account says where they are"""


@dataclass(frozen=True)
class Threshold:
    """What is reported once a year's payments reach it."""

    report: str
    countries: frozenset[str]
    """where the advocate is, as the tax form says, else where they are paid"""
    at_least: Money
    """paid in this currency in the year"""
    payments: int
    """or so many payments, in whatever currency; 0: their number does not matter"""
    first_year: int
    last_year: int | None
    source: str


THRESHOLDS = (
    Threshold(
        "US 1099-NEC", frozenset({"US"}), Money(600_00, "USD"), 0, 1954, 2025,
        "26 U.S.C. 6041(a), 6041A(a), as in force for payments made until the end of 2025",
    ),
    Threshold(
        "US 1099-NEC", frozenset({"US"}), Money(2_000_00, "USD"), 0, 2026, None,
        "26 U.S.C. 6041(a), 6041A(a), as amended by Public Law 119-21, section 70433, for payments made after 2025",
    ),
    Threshold(
        "EU DAC7", EU, Money(2_000_01, "EUR"), 30, 2023, None,
        "Council Directive (EU) 2021/514, Annex V, section I.B.4(d): fewer than 30 activities and at most 2,000 EUR are left out",
    ),
)  # fmt: skip


def in_force(year: int) -> list[Threshold]:
    """The thresholds of a year."""
    return [each for each in THRESHOLDS if each.first_year <= year <= (each.last_year or year)]


def reached(country: str, paid: Sequence[Money], payments: int, year: int) -> Iterator[Threshold]:
    """The thresholds that an advocate's payments of a year reach, each currency by its sum, their number in all of them."""
    for each in in_force(year):
        if country in each.countries and _is_enough(each, paid, payments):
            yield each


def reports(country: str, paid: Sequence[Money], payments: int, year: int) -> list[str]:
    """The names of what these payments are reported in; without a country UNKNOWN where one might be reached: somebody has to ask."""
    if country:
        return [each.report for each in reached(country, paid, payments, year)]
    return [UNKNOWN] if any(_is_enough(each, paid, payments) for each in in_force(year)) else []


def _is_enough(threshold: Threshold, paid: Sequence[Money], payments: int) -> bool:
    least = threshold.at_least
    enough = any(each.currency == least.currency and each.amount_minor >= least.amount_minor for each in paid)
    return enough or 0 < threshold.payments <= payments
