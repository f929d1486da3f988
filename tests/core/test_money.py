"""Money: minor units, one currency, rounded once and half to even."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import (
    POINTS,
    CurrenciesDiffer,
    Money,
    TooManyDecimals,
    UnknownCurrency,
    decimals,
    proportion,
    require_currency,
    share,
    to_minor,
)

AMOUNTS = st.integers(-(10**15), 10**15)
NBSP = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("money", "major", "shown"),
    [
        (Money(1290, "EUR"), "12.90", "€12.90"),
        (Money(-5, "EUR"), "-0.05", "-€0.05"),
        (Money(0, "EUR"), "0.00", "€0.00"),
        (Money(1200, "JPY"), "1200", "¥1,200"),
        (Money(1234567, "KWD"), "1234.567", "KWD1,234.567"),
        (Money(12345, "RSD"), "123.45", "RSD123.45"),
        (Money(350, POINTS), "350", "350 points"),
        (Money(12345, POINTS), "12345", "12,345 points"),
        (Money(2**63 - 1, "EUR"), "92233720368547758.07", "€92,233,720,368,547,758.07"),
    ],
)
def test_money_is_shown_with_the_decimals_of_its_currency(money: Money, major: str, shown: str) -> None:
    assert money.major == Decimal(major)
    assert money.format() == shown


def test_money_is_shown_as_the_locale_does() -> None:
    assert Money(1234567, "EUR").format("de") == f"12.345,67{NBSP}€"
    assert Money(-1234567, "RSD").format("de") == f"-12.345,67{NBSP}RSD"
    assert Money(1234, "JPY").format("de") == f"1.234{NBSP}¥"


@pytest.mark.parametrize(
    ("currency", "places"),
    [
        ("EUR", 2),
        ("USD", 2),
        ("JPY", 0),
        ("KWD", 3),
        ("BHD", 3),
        ("ISK", 0),
        ("UGX", 0),
        (POINTS, 0),
        ("RSD", 2),
        ("ALL", 2),
        ("LBP", 2),
        ("IQD", 3),
        ("HUF", 2),
    ],
)
def test_decimals_of_currencies(currency: str, places: int) -> None:
    assert decimals(currency) == places


@pytest.mark.parametrize(
    ("written", "currency", "minor"),
    [("1", "EUR", 100), ("1.5", "EUR", 150), ("1.500", "BHD", 1_500), ("7", "JPY", 7)],
)
def test_a_sum_in_the_main_unit_becomes_minor_units(written: str, currency: str, minor: int) -> None:
    assert to_minor(Decimal(written), currency) == minor


@pytest.mark.parametrize(
    ("written", "currency"), [("1.500", "EUR"), ("1.000", "JPY"), ("0.005", "EUR"), ("NaN", "EUR")]
)
def test_more_decimals_than_the_currency_has_are_refused_as_they_may_be_thousands(
    written: str, currency: str
) -> None:
    with pytest.raises(TooManyDecimals):
        to_minor(Decimal(written), currency)


@pytest.mark.parametrize("wrong", ["", "eur", "EURO", "QQQ", "E R", "€", "pts", "XXX", "XAU", "XTS"])
def test_unknown_currency_is_refused(wrong: str) -> None:
    with pytest.raises(UnknownCurrency):
        require_currency(wrong)
    with pytest.raises(UnknownCurrency):
        decimals(wrong)


def test_known_currency_answers_itself() -> None:
    assert [require_currency(each) for each in ("EUR", "JPY", POINTS)] == ["EUR", "JPY", POINTS]


def test_two_currencies_are_never_added() -> None:
    with pytest.raises(CurrenciesDiffer):
        Money(1, "EUR") + Money(1, "USD")
    with pytest.raises(CurrenciesDiffer):
        Money(1, "EUR") - Money(1, POINTS)


@given(AMOUNTS, AMOUNTS)
def test_adding_and_taking_away_is_exact(one: int, other: int) -> None:
    money = Money(one, "EUR") + Money(other, "EUR")
    assert money == Money(one + other, "EUR")
    assert money - Money(other, "EUR") == Money(one, "EUR")
    assert -money == Money(-one - other, "EUR")


@pytest.mark.parametrize(
    ("amount", "rate", "expected"),
    [(5, 1000, 0), (15, 1000, 2), (25, 1000, 2), (35, 1000, 4), (-5, 1000, 0), (-15, 1000, -2), (-25, 1000, -2),
     (1990, 1000, 199), (1, 10_000, 1), (1, 0, 0), (333, 3333, 111), (10**15 + 5, 1000, 10**14)],
)  # fmt: skip
def test_share_rounds_half_to_even_once(amount: int, rate: int, expected: int) -> None:
    assert share(amount, rate) == expected


@given(AMOUNTS, st.integers(0, 10_000))
def test_share_is_what_exact_fractions_say(amount: int, rate: int) -> None:
    assert share(amount, rate) == round(Fraction(amount * rate, 10_000)), (
        "round() of a Fraction is half to even"
    )
    assert share(-amount, rate) == -share(amount, rate)


@given(AMOUNTS, st.integers(0, 10**6), st.integers(1, 10**6))
def test_proportion_is_what_exact_fractions_say(amount: int, part: int, whole: int) -> None:
    exact = Fraction(amount * part, whole)
    assert abs(proportion(amount, part, whole) - exact) <= Fraction(1, 2)
    assert proportion(amount, whole, whole) == amount


def test_proportion_of_nothing_is_a_mistake() -> None:
    with pytest.raises(ZeroDivisionError):
        proportion(100, 1, 0)
