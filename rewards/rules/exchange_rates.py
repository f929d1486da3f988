"""Exchange rates: dated data that finance enters; a reward freezes the one of its sale's day (ADR 21).

A rate says how much of `quote` one of `base` is worth. A later row for the same day corrects an earlier one; what is granted
stays as it was. A day without a rate, a Sunday say, has that of the last day before it, within a week, once there is one of a
later day. A rate is of a unit and all below it; of one day the nearest unit's counts.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from operator import attrgetter

from sqlalchemy import Index, Integer, Text
from sqlmodel import Field, SQLModel, col, select

from core import audit
from core.access import Actor, authorize
from core.clock import now
from core.columns import key, moment
from core.db import session
from core.errors import Invalid
from core.immutable import never_changed
from core.money import POINTS, Money, UnknownCurrency, decimals, require_currency
from hub.units import places

RIGHT = "payout.run"
"""in the unit that a rate is for"""
OLDEST = timedelta(days=7)
FIRST = date(1999, 1, 4)
"""of the European Central Bank's"""
EASTERNMOST = timedelta(hours=14)
"""where a day begins first"""
LEAST, MOST, DIGITS = Decimal("0.000001"), Decimal(1_000_000_000), 12


class ExchangeRate(SQLModel, table=True):
    """What one of a currency was worth in another on a day."""

    __tablename__ = "exchange_rate"

    id: str = key()
    unit_id: str = Field(foreign_key="unit.id", sa_type=Text)
    base: str = Field(sa_type=Text)
    quote: str = Field(sa_type=Text)
    rate: str = Field(sa_type=Text)
    """a decimal number, as it was entered"""
    day: int = Field(sa_type=Integer)
    """YYYYMMDD"""
    source: str = Field(sa_type=Text)
    entered_by: str = Field(sa_type=Text)
    entered_at: datetime = moment(now)


Index("ix_exchange_rate_day", col(ExchangeRate.day))
never_changed(ExchangeRate)


class WrongRate(Invalid):
    """A rate is of two different currencies, between 0.000001 and 1,000,000,000 with up to 12 digits, and of a day from 1999 until today."""


class NoRate(Exception):
    """There is no rate between two currencies for a day, nor for one of the seven before it."""

    def __init__(self, base: str, quote: str, day: date) -> None:
        super().__init__(f"{base} in {quote} on {day}")
        self.base, self.quote, self.day = base, quote, day


@dataclass(frozen=True)
class NewRate:
    """A rate that is about to be entered."""

    base: str
    quote: str
    rate: Decimal
    day: date


@dataclass(frozen=True)
class Exchange:
    """What a sum becomes in another currency, and by which rates, as a sentence."""

    factor: Fraction
    says: str

    def of(self, sum_: Money, currency: str) -> Money:
        """The sum in another currency, rounded half to even, once."""
        exact = (
            sum_.amount_minor * self.factor * Fraction(10) ** (decimals(currency) - decimals(sum_.currency))
        )
        return Money(round(exact), currency)


class Rates:
    """Rates of some days; what was entered last counts."""

    def __init__(
        self, rows: Iterable[ExchangeRate] = (), parents: Mapping[str, str | None] | None = None
    ) -> None:
        """`parents`: unit → the unit above it."""
        ordered = sorted(rows, key=lambda each: each.id)
        self._rows = {(row.unit_id, row.day, row.base, row.quote): row for row in ordered}
        self._currencies = sorted({each for row in ordered for each in (row.base, row.quote)})
        self._days = sorted({row.day for row in ordered})
        self._parents = parents or {}

    def between(self, base: str, quote: str, day: date, unit_id: str) -> Exchange:
        """From one currency to another, by the rates of one day: their own, else those of a third currency to both.

        A day without a rate has that of the last day before it, within a week, once there is one of a later day: until then
        its own may still come, and who enters rates in the evening must not make the morning's sales dearer. Raises NoRate.
        """
        units, asked = list(self.upwards(unit_id)), _number(day)
        if found := self._on(units, base, quote, asked):
            return found
        if any(self._on(units, base, quote, later) for later in self._days if later > asked):
            for back in range(1, OLDEST.days + 1):
                if found := self._on(units, base, quote, _number(day - timedelta(days=back))):
                    return found
        raise NoRate(base, quote, day)

    def upwards(self, unit_id: str) -> Iterator[str]:
        """A unit and those above it."""
        at: str | None = unit_id
        while at is not None:
            yield at
            at = self._parents.get(at)

    def _on(self, units: Sequence[str], base: str, quote: str, day: int) -> Exchange | None:
        """By the rates of a day; of each pair the nearest unit's."""
        if day not in self._days:
            return None
        if own := self._pair(units, base, quote, day):
            return own
        for third in self._currencies:
            ours, theirs = self._pair(units, base, third, day), self._pair(units, third, quote, day)
            if ours and theirs:
                return Exchange(ours.factor * theirs.factor, f"{ours.says}, {theirs.says}")
        return None

    def _pair(self, units: Sequence[str], base: str, quote: str, day: int) -> Exchange | None:
        """By the rate of these two, whichever way round it was entered last."""
        for unit in units:
            ways = self._rows.get((unit, day, base, quote)), self._rows.get((unit, day, quote, base))
            row = max((each for each in ways if each is not None), key=attrgetter("id"), default=None)
            if row is not None:
                return Exchange(_value(row) if row.base == base else 1 / _value(row), _says(row))
        return None


def rates_of(days: Iterable[date]) -> Rates:
    """The rates that days may need; none are read where there is no day."""
    asked = sorted(set(days))
    if not asked:
        return Rates()
    span = col(ExchangeRate.day) >= _number(asked[0] - OLDEST)
    parents = {each.id: each.parent_id for each in places()}
    return Rates(session().exec(select(ExchangeRate).where(span)).all(), parents)


def enter(unit_id: str, rates: Sequence[NewRate], source: str, *, by: Actor) -> int:
    """Enter rates for a unit and all below it, all or none; those that are there with the same value are left out. Answers how many are new.

    Raises NotFound, Forbidden, WrongRate, UnknownCurrency.
    """
    authorize(by, RIGHT, unit_id)
    for each in rates:
        check(each)
    new = [each for each in rates if not _is_there(unit_id, each)]
    session().add_all(_row(unit_id, each, source, by) for each in new)
    session().flush()
    if new:
        told = {
            "rates": [f"{each.day} {each.base} {each.quote} {each.rate}" for each in new],
            "source": source,
        }
        audit.record(by, "exchange_rates.entered", "unit", unit_id, unit_id=unit_id, details=told)
    return len(new)


def newest(unit_ids: Collection[str], limit: int) -> Sequence[ExchangeRate]:
    """The rates of these units and those above, of the newest days, those entered last first."""
    parents = {each.id: each.parent_id for each in places()}
    seen = {above for each in unit_ids for above in Rates((), parents).upwards(each)}
    order = col(ExchangeRate.day).desc(), col(ExchangeRate.id).desc()
    of = select(ExchangeRate).where(col(ExchangeRate.unit_id).in_(seen))
    return session().exec(of.order_by(*order).limit(limit)).all()


def last_of(unit_id: str, rates: Iterable[NewRate]) -> dict[tuple[str, str], ExchangeRate]:
    """Pair → the rate of the newest day that the unit has of it: what new ones are compared with."""
    found: dict[tuple[str, str], ExchangeRate] = {}
    for pair in sorted({(each.base, each.quote) for each in rates}):
        same = select(ExchangeRate).where(
            ExchangeRate.unit_id == unit_id, ExchangeRate.base == pair[0], ExchangeRate.quote == pair[1]
        )
        order = col(ExchangeRate.day).desc(), col(ExchangeRate.id).desc()
        if (row := session().exec(same.order_by(*order).limit(1)).first()) is not None:
            found[pair] = row
    return found


def far_off(rate: NewRate, last: ExchangeRate | None) -> bool:
    """Whether a rate is a tenth or more away from the last one: a slip of the pen rather than the market's."""
    return last is not None and abs(rate.rate / Decimal(last.rate) - 1) >= Decimal("0.1")


def check(rate: NewRate, where: str = "") -> None:
    """Refuse a rate that cannot be; raises WrongRate and UnknownCurrency, `where` before the sentence."""
    for currency in (rate.base, rate.quote):
        if require_currency(currency) == POINTS:
            raise UnknownCurrency
    digits = len(rate.rate.normalize().as_tuple().digits)
    if (
        rate.base == rate.quote
        or not LEAST <= rate.rate <= MOST
        or digits > DIGITS
        or not FIRST <= rate.day <= (now() + EASTERNMOST).date()
    ):
        raise WrongRate(f"{where}{WrongRate.__doc__}")


def _row(unit_id: str, rate: NewRate, source: str, by: Actor) -> ExchangeRate:
    return ExchangeRate(
        unit_id=unit_id,
        base=rate.base,
        quote=rate.quote,
        rate=f"{rate.rate.normalize():f}",
        day=_number(rate.day),
        source=source,
        entered_by=by.id,
    )


def _is_there(unit_id: str, rate: NewRate) -> bool:
    same = select(ExchangeRate).where(
        ExchangeRate.unit_id == unit_id,
        ExchangeRate.day == _number(rate.day),
        ExchangeRate.base == rate.base,
        ExchangeRate.quote == rate.quote,
    )
    last = session().exec(same.order_by(col(ExchangeRate.id).desc()).limit(1)).first()
    return last is not None and Decimal(last.rate) == rate.rate


def _value(row: ExchangeRate) -> Fraction:
    return Fraction(row.rate)


def _says(row: ExchangeRate) -> str:
    on = date(row.day // 10_000, row.day // 100 % 100, row.day % 100)
    return f"1 {row.base} = {row.rate} {row.quote} on {on:%-d %b %Y} ({row.source})"


def _number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day
