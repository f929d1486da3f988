"""Money: integer minor units with their currency. No float, not even for display."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache

from babel import Locale, numbers
from iso4217 import Currency

from core.errors import Invalid

POINTS = "PTS"
"""Points are a currency of their own, never exchanged, without decimals."""


class UnknownCurrency(Invalid):
    """This currency is not known."""


class CurrenciesDiffer(Invalid):
    """Amounts in different currencies are never added."""


@dataclass(frozen=True, order=False)
class Money:
    """`amount_minor` (may be negative) in the smallest unit of `currency` (ISO 4217, or PTS)."""

    amount_minor: int
    currency: str

    def __add__(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise CurrenciesDiffer
        return Money(self.amount_minor + other.amount_minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.amount_minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return self + -other

    @property
    def major(self) -> Decimal:
        """The amount in the currency's main unit, exact."""
        return Decimal(self.amount_minor).scaleb(-decimals(self.currency))

    def format(self, locale: str | Locale = "en") -> str:
        """For people: `€12.90`, `¥1,200`, `350 points`, by locale."""
        if locale == "en" and self.currency != POINTS:
            return _in_english(self.amount_minor, self.currency)
        if self.currency == POINTS:
            return f"{numbers.format_decimal(self.amount_minor, locale=locale)} points"
        return _in_words(self.major, self.currency, locale)


def _in_words(major: Decimal, currency: str, locale: str | Locale) -> str:
    """By the locale's pattern, with the decimals that ISO 4217 gives: CLDR shows some currencies without theirs."""
    spoken = Locale.parse(locale)
    return str(
        _pattern(spoken, decimals(currency)).apply(major, spoken, currency=currency, currency_digits=False)
    )


@cache
def _pattern(locale: Locale, places: int) -> numbers.NumberPattern:
    pattern = numbers.parse_pattern(locale.currency_formats["standard"].pattern)
    pattern.frac_prec = (places, places)
    return pattern


def _in_english(amount_minor: int, currency: str) -> str:
    """As Babel formats it, forty times quicker: every reward is explained by three sums."""
    before, after, places = _english(currency)
    sign = "-" if amount_minor < 0 else ""
    whole, rest = divmod(abs(amount_minor), 10**places)
    return f"{sign}{before}{whole:,}{f'.{rest:0{places}d}' if places else ''}{after}"


@cache
def _english(currency: str) -> tuple[str, str, int]:
    """What Babel writes before and after the digits, and how many decimals."""
    places = decimals(currency)
    said = _in_words(Decimal(1), currency, "en")
    before, _, after = said.partition("1.".ljust(places + 2, "0") if places else "1")
    return before, after, places


@cache
def decimals(currency: str) -> int:
    """How many decimals the minor unit of `currency` has (ISO 4217); raises UnknownCurrency."""
    return 0 if currency == POINTS else _minor_units()[require_currency(currency)]


def currencies() -> frozenset[str]:
    """Every currency there is (ISO 4217)."""
    return frozenset(_minor_units())


class TooManyDecimals(Invalid):
    """This sum has more decimals than its currency."""


def to_minor(major: Decimal, currency: str) -> int:
    """A sum in the main unit as minor units, exact; raises TooManyDecimals, also where they are zeros: 1.500 may be meant as 1,500."""
    written = major.as_tuple().exponent
    if not isinstance(written, int) or -written > decimals(currency):
        raise TooManyDecimals
    return int(major.scaleb(decimals(currency)))


def require_currency(currency: str) -> str:
    """`currency` itself when it is money that people pay with; raises UnknownCurrency."""
    if currency != POINTS and currency not in _minor_units():
        raise UnknownCurrency(details={"currency": currency[:16]})
    return currency


@cache
def _minor_units() -> dict[str, int]:
    """Code → decimals of every currency in ISO 4217's list that has a minor unit: not gold, not XXX, not test codes."""
    return {each.code: each.exponent for each in Currency if each.exponent is not None}


def share(amount_minor: int, rate_basis_points: int) -> int:
    """`rate_basis_points` (1/100 of a percent) of an amount, rounded half to even once."""
    exact = Decimal(amount_minor) * rate_basis_points / 10_000
    return int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))


def proportion(amount_minor: int, part: int, whole: int) -> int:
    """`amount_minor` times part/whole, rounded half to even; raises ZeroDivisionError when whole is 0."""
    exact = Decimal(amount_minor) * part / Decimal(whole)
    return int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))
