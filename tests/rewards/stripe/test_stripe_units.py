"""Our minor units are ISO 4217's; Stripe has its own for some currencies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import decimals
from rewards.stripe.stripe_units import minor_of, payable_part, stripe_amount

CURRENCIES = ("EUR", "JPY", "KWD", "HUF", "TWD", "ISK", "UGX", "RSD", "ALL", "LBP", "MGA", "IQD")


@pytest.mark.parametrize(
    ("minor", "currency", "amount"),
    [
        (1_290, "EUR", 1_290),
        (129, "JPY", 129),
        (129_000, "KWD", 129_000),
        (5_000, "ISK", 500_000),
        (5_000, "UGX", 500_000),
        (12_345, "RSD", 12_345),
        (12_300, "MGA", 123),
    ],
)
def test_what_stripe_is_told(minor: int, currency: str, amount: int) -> None:
    assert stripe_amount(minor, currency) == amount
    assert minor_of(amount, currency) == minor


@given(st.integers(0, 10**12), st.sampled_from(CURRENCIES))
def test_what_is_payable_can_be_said_exactly_and_is_less_by_under_one_unit(minor: int, currency: str) -> None:
    part = payable_part(minor, currency)
    assert minor_of(stripe_amount(part, currency), currency) == part
    assert 0 <= minor - part < 10 ** max(decimals(currency), 2)


def test_what_cannot_be_said_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="MGA"):
        stripe_amount(12_345, "MGA")
