"""Value added tax on what an advocate supplies: dated standard rates, and which of them an invoice carries.

A reward is what is paid, tax included: the tax is part of it and never comes on top.
"""

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

from core.money import Money
from rewards.tax.tax_thresholds import EU

WHOLE = 10_000
"""basis points"""


class Rate(NamedTuple):
    """A country's standard rate from a day on."""

    since: date
    basis_points: int


RATES: dict[str, tuple[Rate, ...]] = {
    "AT": (Rate(date(1984, 1, 1), 2_000),),
    "BE": (Rate(date(1996, 1, 1), 2_100),),
    "BG": (Rate(date(1999, 1, 1), 2_000),),
    "CY": (Rate(date(2014, 1, 13), 1_900),),
    "CZ": (Rate(date(2013, 1, 1), 2_100),),
    "DE": (Rate(date(2007, 1, 1), 1_900), Rate(date(2020, 7, 1), 1_600), Rate(date(2021, 1, 1), 1_900)),
    "DK": (Rate(date(1992, 1, 1), 2_500),),
    "EE": (Rate(date(2009, 7, 1), 2_000), Rate(date(2024, 1, 1), 2_200), Rate(date(2025, 7, 1), 2_400)),
    "ES": (Rate(date(2012, 9, 1), 2_100),),
    "FI": (Rate(date(2013, 1, 1), 2_400), Rate(date(2024, 9, 1), 2_550)),
    "FR": (Rate(date(2014, 1, 1), 2_000),),
    "GR": (Rate(date(2016, 6, 1), 2_400),),
    "HR": (Rate(date(2012, 3, 1), 2_500),),
    "HU": (Rate(date(2012, 1, 1), 2_700),),
    "IE": (Rate(date(2012, 1, 1), 2_300), Rate(date(2020, 9, 1), 2_100), Rate(date(2021, 3, 1), 2_300)),
    "IT": (Rate(date(2013, 10, 1), 2_200),),
    "LT": (Rate(date(2009, 9, 1), 2_100),),
    "LU": (Rate(date(2015, 1, 1), 1_700), Rate(date(2023, 1, 1), 1_600), Rate(date(2024, 1, 1), 1_700)),
    "LV": (Rate(date(2012, 7, 1), 2_100),),
    "MT": (Rate(date(2004, 1, 1), 1_800),),
    "NL": (Rate(date(2012, 10, 1), 2_100),),
    "PL": (Rate(date(2011, 1, 1), 2_300),),
    "PT": (Rate(date(2011, 1, 1), 2_300),),
    "RO": (Rate(date(2017, 1, 1), 1_900), Rate(date(2025, 8, 1), 2_100)),
    "SE": (Rate(date(1990, 7, 1), 2_500),),
    "SI": (Rate(date(2013, 7, 1), 2_200),),
    "SK": (Rate(date(2011, 1, 1), 2_000), Rate(date(2025, 1, 1), 2_300)),
}
"""standard rates under Council Directive 2006/112/EC, articles 96 and 97, as the member states have notified them"""

NOT_REGISTERED = "The supplier is not registered for VAT: none is charged."
REVERSE_CHARGE = (
    "Reverse charge: the customer accounts for the VAT (Council Directive 2006/112/EC, articles 44 and 196)."
)
OUTSIDE = "Outside the scope of EU VAT: the customer is established outside the European Union (article 44)."


@dataclass(frozen=True)
class Tax:
    """What an invoice says of VAT, and the parts of its sum."""

    net: Money
    amount: Money
    basis_points: int
    sentence: str
    """why there is none; empty where there is"""


def rate(country: str, day: date) -> int:
    """The standard rate of a member state on a day, in basis points; 0 elsewhere, and before what we know."""
    known = [each.basis_points for each in RATES.get(country, ()) if each.since <= day]
    return known[-1] if known else 0


def tax_in(gross: Money, *, supplier: tuple[str, str], customer: str, day: date) -> Tax:
    """The tax that is part of a sum: `supplier` is country and VAT number (or empty), `customer` a country; half even."""
    country, number = supplier
    if not number:
        return Tax(gross, gross - gross, 0, NOT_REGISTERED)
    if country != customer:
        return Tax(gross, gross - gross, 0, REVERSE_CHARGE if customer in EU else OUTSIDE)
    points = rate(country, day)
    exact = Decimal(gross.amount_minor * WHOLE) / (WHOLE + points)
    net = Money(int(exact.to_integral_value(ROUND_HALF_EVEN)), gross.currency)
    return Tax(net, gross - net, points, "")
