"""Doors for staff: what earns how much, since when, and the next version of it."""

import re
from decimal import Decimal
from typing import Literal

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field

from advocates.tiers import tiers_of
from core.access import authorize
from core.clock import now
from core.errors import Invalid
from core.inputs import PRINTABLE, Input, Key, Line, Paragraphs, Sum
from core.money import POINTS, Money, to_minor
from hub.programmes import Programme, get_programme, programmes_in
from rewards import rewards_page
from rewards.explanations import name_of
from rewards.rules import rules
from rewards.rules.conditions import MOST_MONTHS, CapPeriod, Conditions, Counted, ForWhom, Part, ProductRate
from rewards.rules.rule_effect import effect_of
from rewards.rules.rules import RewardRule, Terms, Trigger
from rewards.statements.statements import first_day
from web import country_names
from web.forms import Form, read_form, read_query
from web.proving import proves
from web.signing_in import staff

door = Blueprint("rewards_rules", __name__)

MANAGE = "programme.manage"
RATE = re.compile(r"[0-9]{1,3}(\.[0-9]{1,2})?")
SUM = re.compile(r"[0-9]{1,11}(\.[0-9]{1,4})?")
MILESTONE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,4})?")


class RulesQuery(Input):
    """Whose rule the form changes first."""

    programme: str = Field(default="", max_length=26)


@door.get("/console/rewards/rules")
def rules_page() -> str:
    """Every version of every rule of the programmes one sees, and a form for the next version."""
    actor, query = staff(rewards_page.SEE), read_query(RulesQuery)
    programmes = programmes_in(actor.units_for(rewards_page.SEE))
    managed = [each for each in programmes if actor.may(MANAGE, each.unit_id)]
    return render_template(
        "console/rewards/rules.html",
        held=[(each, rules.rules_of(each.id)) for each in programmes],
        managed=managed,
        says=rules.sentence,
        who=name_of,
        at=now(),
        form=Form({"programme_id": query.programme, "trigger": ["sale"], "pays": ["percent"]}),
    )


class NewVersion(Input):
    """The next version of a rule: shown first with what it would have done, then begun."""

    act: Literal["show", "begin"] = "show"
    seen: int | None = Field(default=None, ge=0, le=1_000_000)
    """the version that was in force when the effect was shown; nothing is begun that was not shown"""
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
    def typed(self) -> list[tuple[str, object]]:
        """Field and value, to be posted again."""
        single = [(name, value) for name, value in self if name not in {"act", "seen", "without"} and value]
        return [*single, *(("without", each) for each in self.without)]


@door.post("/console/rewards/rules")
@proves(MANAGE)
def change_rule() -> ResponseReturnValue:
    """Show what a new version would have done last month, or begin it now; what has been earned stays as it is."""
    actor = staff(MANAGE)
    wanted = read_form(NewVersion)
    programme = get_programme(wanted.programme_id)
    authorize(actor, MANAGE, programme.unit_id)
    terms = _terms(wanted, programme)
    before = [each for each in rules.rules_at(programme.id, wanted.trigger, now()) if each.pays == terms.pays]
    if wanted.act == "show" or wanted.seen is None:
        effect = effect_of(programme, wanted.trigger, terms)
        return render_template(
            "console/rewards/rule_effect.html",
            programme=programme,
            wanted=wanted,
            seen=rules.newest_version(programme.id, wanted.trigger, terms.pays),
            new=rules.words(terms, wanted.trigger, rules.cap_currency(programme, terms)),
            old=[rules.sentence(each) for each in before],
            effect=effect,
            first=first_day(effect.month),
            form=Form(),
        )
    made = rules.change_rule(programme, wanted.trigger, terms, by=actor, seen=wanted.seen)
    flash(_what_changes(programme, before, made), "good")
    return redirect(f"/console/rewards/rules?programme={programme.id}", 303)


def _terms(wanted: NewVersion, programme: Programme) -> Terms:
    currency = POINTS if wanted.pays == "points" else programme.currency
    asked = Conditions(
        products=tuple(
            _product(what, value, wanted) for what, value in _lines(wanted.products, wanted, currency)
        ),
        for_whom=(
            *(_tier(what, value, programme) for what, value in _lines(wanted.tiers, wanted, currency)),
            *(_country(what, value) for what, value in _lines(wanted.countries, wanted, currency)),
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


def _country(code: str, value: int) -> ForWhom:
    if code.upper() not in country_names.CODES:
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


def _what_changes(programme: Programme, before: list[RewardRule], made: RewardRule) -> str:
    after = rules.sentence(made)
    text: str = _("%(programme)s, from now on: %(after)s.", programme=programme.name, after=after)
    if before:
        text += " " + _("Until now: %(before)s.", before=rules.sentence(before[0]))
    return text
