"""VAT: dated rates, whose rule an invoice follows, and sums that add up."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import Money
from rewards.tax.tax_thresholds import EU
from rewards.tax.vat import NOT_REGISTERED, OUTSIDE, RATES, REVERSE_CHARGE, rate, tax_in

DAY = date(2026, 11, 30)
HUNDRED = Money(119_00, "EUR")


@pytest.mark.parametrize(
    ("country", "day", "points"),
    [
        ("DE", date(2020, 6, 30), 1_900),
        ("DE", date(2020, 7, 1), 1_600),
        ("DE", date(2020, 12, 31), 1_600),
        ("DE", date(2021, 1, 1), 1_900),
        ("EE", date(2025, 6, 30), 2_200),
        ("EE", date(2025, 7, 1), 2_400),
        ("FI", date(2024, 9, 1), 2_550),
        ("US", DAY, 0),
    ],
)
def test_a_rate_holds_from_its_day_on(country: str, day: date, points: int) -> None:
    assert rate(country, day) == points


def test_every_member_state_has_rates_in_the_order_of_their_days() -> None:
    assert set(RATES) == EU
    assert all(list(each) == sorted(each) for each in RATES.values())


@pytest.mark.parametrize(
    ("supplier", "customer", "net", "vat", "sentence"),
    [
        (("DE", "DE136695976"), "DE", 100_00, 19_00, ""),
        (("DE", ""), "DE", 119_00, 0, NOT_REGISTERED),
        (("DE", "DE136695976"), "NL", 119_00, 0, REVERSE_CHARGE),
        (("DE", "DE136695976"), "US", 119_00, 0, OUTSIDE),
    ],
)
def test_the_tax_is_part_of_what_was_paid(
    supplier: tuple[str, str], customer: str, net: int, vat: int, sentence: str
) -> None:
    tax = tax_in(HUNDRED, supplier=supplier, customer=customer, day=DAY)
    assert (tax.net, tax.amount, tax.sentence) == (Money(net, "EUR"), Money(vat, "EUR"), sentence)


@given(st.integers(-(10**9), 10**9), st.sampled_from(sorted(EU)))
def test_net_and_tax_are_the_sum_and_a_credit_note_is_its_mirror(minor: int, country: str) -> None:
    supplier = (country, "a number")
    tax = tax_in(Money(minor, "EUR"), supplier=supplier, customer=country, day=DAY)
    mirror = tax_in(Money(-minor, "EUR"), supplier=supplier, customer=country, day=DAY)
    assert tax.net + tax.amount == Money(minor, "EUR")
    assert (mirror.net, mirror.amount) == (-tax.net, -tax.amount)
    assert abs(tax.amount.amount_minor * 10_000 - tax.net.amount_minor * tax.basis_points) <= 10_000
