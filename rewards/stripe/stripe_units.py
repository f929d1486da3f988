"""Stripe's units of money and ours: usually the same minor unit, and where not, shifted exactly or rounded once."""

from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache

from core.money import currencies, decimals

WITHOUT_DECIMALS = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"]
)  # not ISK and UGX: Stripe takes both with two decimals, always 00
STEPS = {"HUF": 100, "TWD": 100, "KWD": 10, "BHD": 10, "JOD": 10, "OMR": 10, "TND": 10}
"""what a payout's amount has to be a multiple of, in minor units (Stripe, Supported currencies)"""
WITH_THREE = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
"""(Stripe, Supported currencies: zero-decimal, three-decimal and special cases)"""


def minor_of(amount: int, currency: str) -> int:
    """An amount of Stripe's in our minor unit, rounded half to even where ours is coarser."""
    shifted = Decimal(amount).scaleb(decimals(currency) - _stripe_decimals(currency))
    return int(shifted.to_integral_value(rounding=ROUND_HALF_EVEN))


def stripe_amount(amount_minor: int, currency: str) -> int:
    """An amount of ours (see payable_part) in the unit that Stripe's API takes, exact."""
    shifted = Decimal(amount_minor).scaleb(_stripe_decimals(currency) - decimals(currency))
    if shifted != shifted.to_integral_value():
        raise ValueError(f"{amount_minor} {currency} cannot be said to Stripe")
    return int(shifted)


def payable_part(amount_minor: int, currency: str) -> int:
    """The largest part of an amount that Stripe pays out in this currency."""
    return amount_minor - amount_minor % payable_step(currency)


def payable_step(currency: str) -> int:
    """What Stripe's payouts in this currency are multiples of, in our minor units."""
    coarser = int(10 ** max(0, decimals(currency) - _stripe_decimals(currency)))
    return max(coarser, STEPS.get(currency, 1))


@cache
def coarse_currencies() -> dict[str, int]:
    """Currency → its payable_step, where that is more than one."""
    return {each: step for each in sorted(currencies()) if (step := payable_step(each)) > 1}


def _stripe_decimals(currency: str) -> int:
    if currency in WITHOUT_DECIMALS:
        return 0
    return 3 if currency in WITH_THREE else 2
