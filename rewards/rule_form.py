"""The form of a rule: what is typed as the terms of a version, and a version as what would have been typed for it."""

import hashlib
import hmac
import re
from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Literal

from pydantic import Field

from advocates.tiers import tiers_of
from core.errors import Invalid
from core.inputs import PRINTABLE, Input, Key, Line, Paragraphs, Sum
from core.money import POINTS, Money, to_minor
from core.settings import settings
from hub.programmes import Programme
from rewards.rules import rules
from rewards.rules.conditions import (
    MOST_MONTHS,
    CapPeriod,
    Conditions,
    Counted,
    ForWhom,
    Part,
    ProductRate,
    percent,
    read,
)
from rewards.rules.rules import RewardRule, Terms, Trigger

RATE = re.compile(r"[0-9]{1,3}(\.[0-9]{1,2})?")
SUM = re.compile(r"[0-9]{1,11}(\.[0-9]{1,4})?")
MILESTONE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,4})?")


class NewVersion(Input):
    """The next version of a rule: shown first with what it would have done, then begun."""

    act: Literal["show", "begin"] = "show"
    seen: int | None = Field(default=None, ge=0, le=1_000_000)
    """the version that was in force when the effect was shown"""
    shown: str = Field(default="", max_length=64)
    """what was shown, signed: nothing is begun that was not shown"""
    programme_id: Line
    trigger: Trigger
    pays: Literal["percent", "money", "points"]
    value: Sum
    """percent, a sum in the programme's currency (main unit), or points"""
    products: Paragraphs = ""
    """a line for each: a SKU, or a beginning of SKUs and a star, and its percentage, sum or points"""
    tiers: Paragraphs = ""
    """a line for each: the name of a tier, and what it gets instead"""
    countries: Paragraphs = ""
    """a line for each: two letters, and what advocates there get instead"""
    exchanged: bool = False
    """a percentage is paid in the programme's currency, whatever the sale's was"""
    without: list[Part] = Field(default_factory=list, max_length=3)
    first_months: int = Field(default=0, ge=0, le=MOST_MONTHS)
    cap: Sum = Decimal(0)
    """the most in a period, in the main unit of what is paid"""
    cap_period: CapPeriod = "month"
    milestones: str = Field(default="", max_length=1_000)
    """which sales or leads, or sums in the main unit, with spaces between"""
    milestone_counts: Counted = "sales"
    customer_coupon: Key | None = None
    customer_credit: Sum = Decimal(0)

    @property
    def as_shown(self) -> str:
        """What an effect was shown of: these very terms, signed, beside the version that was in force then."""
        said = self.model_dump_json(exclude={"act", "seen", "shown"}).replace(
            "\\r\\n", "\\n"
        )  # as browsers like
        return hmac.new(settings().secret.encode(), b"rule\0" + said.encode(), hashlib.sha256).hexdigest()

    @property
    def typed(self) -> list[tuple[str, object]]:
        """Field and value, to be posted again."""
        beside = {"act", "seen", "shown", "without"}
        single = [(name, value) for name, value in self if name not in beside and value]
        return [*single, *(("without", each) for each in self.without)]


def terms_of(wanted: NewVersion, programme: Programme, countries: Collection[str]) -> Terms:
    """The terms that were typed, of countries by their two letters; raises WrongLine, UnknownTier, UnknownCountry, WrongMilestone, WrongTerms, TooManyDecimals."""
    currency = POINTS if wanted.pays == "points" else programme.currency
    asked = Conditions(
        products=tuple(
            _product(what, value, wanted) for what, value in _lines(wanted.products, wanted, currency)
        ),
        for_whom=(
            *(_tier(what, value, programme) for what, value in _lines(wanted.tiers, wanted, currency)),
            *(_country(what, value, countries) for what, value in _lines(wanted.countries, wanted, currency)),
        ),
        without=tuple(wanted.without),
        pays_in=programme.currency if wanted.exchanged else "",
        first_months=wanted.first_months,
        cap_minor=to_minor(wanted.cap, currency),
        cap_period=wanted.cap_period,
        milestones=_milestones(wanted, programme) if wanted.trigger == "milestone" else (),
        milestone_counts=wanted.milestone_counts if wanted.trigger == "milestone" else "sales",
        milestone_currency=programme.currency if _counts_money(wanted) else "",
        customer_coupon=wanted.customer_coupon or "",
        customer_credit_minor=to_minor(wanted.customer_credit, programme.currency),
        customer_currency=programme.currency if wanted.customer_credit else "",
    )
    if wanted.pays == "percent":
        return Terms("percent", rate_basis_points=_basis_points(wanted.value), conditions=asked)
    return Terms("flat", flat=Money(to_minor(wanted.value, currency), currency), conditions=asked)


def _basis_points(percentage: Decimal) -> int:
    basis_points = percentage * 100
    if basis_points != basis_points.to_integral_value():
        raise rules.WrongTerms
    return int(basis_points)


class WrongLine(Invalid):
    """Write a line for each, and what it gets in the end of the line: PRO-* 20, Gold 15, DE 12.50."""


class UnknownTier(Invalid):
    """This programme has no tier of that name."""


class UnknownCountry(Invalid):
    """This is not a country: write its two letters, like DE."""


def _lines(typed: str, wanted: NewVersion, currency: str) -> list[tuple[str, int]]:
    """What stands before the last blank of each line, and the value after it: basis points, or minor units."""
    return [_line(each, wanted, currency) for each in typed.splitlines() if each.strip()]


def _line(line: str, wanted: NewVersion, currency: str) -> tuple[str, int]:
    what, _space, typed = line.strip().rpartition(" ")
    value, in_percent = typed.removesuffix("%"), wanted.pays == "percent"
    if not what or not (RATE if in_percent else SUM).fullmatch(value) or (typed != value and not in_percent):
        raise WrongLine
    return what.strip(), _basis_points(Decimal(value)) if in_percent else to_minor(Decimal(value), currency)


def _product(sku: str, value: int, wanted: NewVersion) -> ProductRate:
    if not PRINTABLE.fullmatch(sku):
        raise WrongLine
    return ProductRate(sku, value) if wanted.pays == "percent" else ProductRate(sku, 0, value)


def _tier(name: str, value: int, programme: Programme) -> ForWhom:
    for tier in tiers_of(programme.id):
        if tier.name.casefold() == name.casefold():
            return ForWhom("tier", tier.id, tier.name, value)
    raise UnknownTier


def _country(code: str, value: int, countries: Collection[str]) -> ForWhom:
    if code.upper() not in countries:
        raise UnknownCountry
    return ForWhom("country", code.upper(), code.upper(), value)


class WrongMilestone(Invalid):
    """Write numbers with spaces between them: 10 50 100."""


def _counts_money(wanted: NewVersion) -> bool:
    return wanted.trigger == "milestone" and wanted.milestone_counts == "revenue"


def _milestones(wanted: NewVersion, programme: Programme) -> tuple[int, ...]:
    typed = wanted.milestones.split()
    if not typed or not all(MILESTONE.fullmatch(each) for each in typed):
        raise WrongMilestone
    if _counts_money(wanted):
        return tuple(to_minor(Decimal(each), programme.currency) for each in typed)
    if not all(each.isdecimal() for each in typed):
        raise WrongMilestone
    return tuple(map(int, typed))


def typed_for(rule: RewardRule, programme: Programme) -> dict[str, object]:
    """What would have been typed for a version: the form of the next one begins with it."""
    asked, in_percent = read(rule.conditions), rule.kind == "percent"
    currency = rule.currency or programme.currency

    def value(number: int) -> str:
        return percent(number).removesuffix(" %") if in_percent else _major(number, currency)

    of = {
        each: [(one.called, one.value) for one in asked.for_whom if one.of == each]
        for each in ("tier", "country")
    }
    products = [
        (each.sku, each.rate_basis_points if in_percent else each.flat_minor) for each in asked.products
    ]
    counted = programme.currency if asked.milestone_counts == "revenue" else ""
    return {
        "programme_id": programme.id,
        "trigger": [rule.trigger],
        "pays": ["percent" if in_percent else rule.pays],
        "value": value(rule.rate_basis_points if in_percent else rule.amount_minor),
        "products": _typed_lines((sku, value(each)) for sku, each in products),
        "tiers": _typed_lines((name, value(each)) for name, each in of["tier"]),
        "countries": _typed_lines((code, value(each)) for code, each in of["country"]),
        "exchanged": "True" if asked.pays_in else "",
        "without": list(asked.without),
        "first_months": asked.first_months or "",
        "cap": _major(asked.cap_minor, rule.cap_currency) if asked.cap_minor else "",
        "cap_period": asked.cap_period,
        "milestones": " ".join(_major(each, counted) if counted else str(each) for each in asked.milestones),
        "milestone_counts": asked.milestone_counts,
        "customer_coupon": asked.customer_coupon,
        "customer_credit": _major(asked.customer_credit_minor, programme.currency)
        if asked.customer_credit_minor
        else "",
    }


def _major(minor: int, currency: str) -> str:
    return f"{Money(minor, currency).major:f}"


def _typed_lines(lines: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"{what} {value}" for what, value in lines)
