"""Stripe's units of money and ours: usually the same minor unit, and where not, shifted exactly or rounded once."""

from decimal import ROUND_HALF_EVEN, Decimal

from core.money import decimals

WITHOUT_DECIMALS = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"]
)  # not ISK and UGX: Stripe takes both with two decimals, always 00
WITH_THREE = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
"""(Stripe, Supported currencies: zero-decimal, three-decimal and special cases)"""


def minor_of(amount: int, currency: str) -> int:
    """An amount of Stripe's in our minor unit, rounded half to even where ours is coarser."""
    shifted = Decimal(amount).scaleb(decimals(currency) - _stripe_decimals(currency))
    return int(shifted.to_integral_value(rounding=ROUND_HALF_EVEN))


def _stripe_decimals(currency: str) -> int:
    if currency in WITHOUT_DECIMALS:
        return 0
    return 3 if currency in WITH_THREE else 2
