"""The pure arithmetic that turns a fact into a reward under a rule, and says so in a sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from core.money import POINTS, Money, proportion, share
from referrals.conversions.customers import Customer, Firsts
from referrals.conversions.split import parts
from referrals.conversions.won import Bought
from rewards.rules.conditions import (
    NOBODY,
    NONE,
    WHOLE,
    Conditions,
    Counted,
    ForWhom,
    ProductRate,
    Who,
    month_of_customer,
    percent,
    reached_words,
    whom,
)
from rewards.rules.exchange_rates import Rates
from rewards.rules.rules import Trigger, Version, called, in_force, name

NOTHING = Bought()


@dataclass(frozen=True)
class Reached:
    """A milestone: which sale or lead it was, or the sum of sales that it made whole."""

    counts: Counted
    at: int
    currency: str = ""


@dataclass(frozen=True)
class Fact:
    """What happened, as a rule sees it; `amount` is None where none is involved."""

    trigger: Trigger
    amount: Money | None = None
    bought: Bought = NOTHING
    customer_month: int = 0
    """of a sale to somebody who bought before: which month since their first conversion; else 0"""
    reached: Reached | None = None
    """of a milestone"""


@dataclass(frozen=True)
class Computed:
    """A reward's amount, what it was computed from, and how it came about, as a sentence."""

    amount: Money
    arithmetic: str
    base_minor: int = 0
    rate_basis_points: int = 0
    """the rule's, or that of the advocate's tier or country"""
    exchange: str = ""
    """the rates by which it became another currency's, with their days and sources"""


@dataclass(frozen=True)
class Exchanging:
    """What a reward is exchanged by: the rates that there are, for a unit, at the moment of what happened."""

    rates: Rates
    unit_id: str
    at: datetime


def rules_for(versions: Sequence[Version], fact: Fact, at: datetime) -> list[Version]:
    """The versions that reward a fact of a moment, money first: a recurring sale's own rule before a sale's."""
    due = in_force(versions, fact.trigger, at)
    if fact.reached is not None:
        return [each for each in due if fact.reached in milestones_of(each)]
    if not fact.customer_month:
        return due
    chosen = {each.pays: each for each in [*due, *in_force(versions, "recurring", at)]}
    return [chosen[pays] for pays in sorted(chosen) if _is_early_enough(chosen[pays], fact)]


def milestones_of(rule: Version) -> list[Reached]:
    """What a rule rewards the reaching of."""
    asked = rule.conditions
    return [Reached(asked.milestone_counts, each, asked.milestone_currency) for each in asked.milestones]


def aged(fact: Fact, at: datetime, first: Mapping[Customer, Firsts], zone: ZoneInfo) -> Fact:
    """A fact with its customer's month, where they bought before it; `first`: see referrals/conversions/customers.py."""
    begun, bought = first.get(fact.bought.customer, (at, None))
    if fact.trigger != "sale" or bought is None or bought >= at:
        return fact
    return replace(fact, customer_month=month_of_customer(begun, at, zone))


def _is_early_enough(rule: Version, fact: Fact) -> bool:
    months = rule.conditions.first_months
    return not months or fact.customer_month <= months


def reward_for(
    fact: Fact, rule: Version, who: Who = NOBODY, exchanging: Exchanging | None = None
) -> Computed:
    """The reward of a fact under a rule for somebody: percentages rounded half to even, once (money.md, Reward rules).

    A rule that pays in another currency than the sale's exchanges it by the rate of the day. Raises NoRate.
    """
    computed = _in_its_currency(fact, rule, who)
    earned, pays_in = computed.amount, rule.conditions.pays_in
    if exchanging is None or not pays_in or earned.currency == pays_in or not earned.amount_minor:
        return computed
    day = exchanging.at.astimezone(rule.zone).date()
    exchange = exchanging.rates.between(earned.currency, pays_in, day, exchanging.unit_id)
    paid = exchange.of(earned, pays_in)
    says = f"{computed.arithmetic}; by {exchange.says} = {paid.format()}"
    return replace(computed, amount=paid, arithmetic=says, exchange=exchange.says)


def _in_its_currency(fact: Fact, rule: Version, who: Who) -> Computed:
    whole = fact.amount or Money(0, POINTS)
    meant = rule.conditions.given_to(who)
    says = f"({_version(fact, rule, meant)})"
    if rule.kind == "flat":
        earned, terms = _flat(fact, rule, Money(meant.value if meant else rule.amount_minor, rule.currency))
        return Computed(earned, f"{terms} {says}", whole.amount_minor)
    rate = meant.value if meant else rule.rate_basis_points
    if rule.conditions is NONE:
        earned = Money(share(whole.amount_minor, rate), whole.currency)
        sum_up = f"{percent(rate)} of {whole.format()} = {earned.format()} {says}"
        return Computed(earned, sum_up, whole.amount_minor, rate)
    base, less = _base(whole, fact.bought, rule.conditions)
    rated = _rated(base, fact.bought, rule.conditions, rate)
    weighed = sum(amount.amount_minor * each.rate_basis_points for each, amount in rated)
    earned = Money(proportion(weighed, 1, WHOLE), base.currency)
    terms = " and ".join(_term(each, amount) for each, amount in rated)
    return Computed(earned, f"{less}{terms} = {earned.format()} {says}", base.amount_minor, rate)


def _flat(fact: Fact, rule: Version, own: Money) -> tuple[Money, str]:
    """So much for each product sold, and the rule's own sum once for whatever else there is, or for what has no lines."""
    sold, others = _sold(fact.bought, rule.conditions)
    parts_of = [(Money(each.flat_minor * count, own.currency), each, count) for each, count in sold.items()]
    terms = [
        f"{count} × {Money(each.flat_minor, own.currency).format()} for {each.sku}"
        for _sum, each, count in parts_of
    ]
    if others or not sold:
        parts_of.append((own, ProductRate("", 0), 1))
        terms.append(f"{own.format()} for {_called(fact, rule)}")
    earned = Money(sum(each.amount_minor for each, _product, _count in parts_of), own.currency)
    return earned, " and ".join(terms) + (f" = {earned.format()}" if sold else "")


def _sold(bought: Bought, conditions: Conditions) -> tuple[dict[ProductRate, int], bool]:
    """How many of each product with a sum of its own were sold, and whether anything else was."""
    sold: dict[ProductRate, int] = {}
    others = False
    for line in bought.lines if conditions.products else ():
        product = conditions.rate_of(str(line["sku"]))
        if product is None:
            others = True
        else:
            sold[product] = sold.get(product, 0) + int(line.get("quantity", 1))
    return sold, others


def _called(fact: Fact, rule: Version) -> str:
    return called(rule.trigger) if fact.reached is None else reached_words(rule.conditions, fact.reached.at)


def _version(fact: Fact, rule: Version, meant: ForWhom | None) -> str:
    """`recurring rule, version 2, for the tier Gold, the customer's month 3 of 12`."""
    months = rule.conditions.first_months
    said = f"{name(rule)}, for {whom(meant)}" if meant else name(rule)
    return f"{said}, the customer's month {fact.customer_month} of {months}" if months else said


def _base(whole: Money, bought: Bought, conditions: Conditions) -> tuple[Money, str]:
    """What the rate is taken of, and how it differs from the amount."""
    held = {"tax": -bought.tax_minor, "shipping": -bought.shipping_minor, "discount": bought.discount_minor}
    changes = [(part, held[part]) for part in conditions.without if held[part]]
    base = Money(max(0, whole.amount_minor + sum(minor for _, minor in changes)), whole.currency)
    if not changes:
        return base, ""
    words = [
        f"{'plus' if minor > 0 else 'less'} {Money(abs(minor), whole.currency).format()} {part}"
        for part, minor in changes
    ]
    return base, f"{whole.format()} {', '.join(words)} = {base.format()}; "


def _rated(base: Money, bought: Bought, conditions: Conditions, own: int) -> list[tuple[ProductRate, Money]]:
    """The base in parts by rate: each product's as its lines weigh, the advocate's `own` rate for all else.

    What the lines leave of the base has that rate, too; where they are more than it, as with tax in them, the base is
    split by them to the unit.
    """
    usual = ProductRate("", own)
    weights: dict[ProductRate, int] = {}
    if conditions.products:
        for line in bought.lines:
            rate = conditions.rate_of(str(line["sku"])) or usual
            weights[rate] = weights.get(rate, 0) + int(line["amount_minor"])
    weights[usual] = weights.get(usual, 0) + max(0, base.amount_minor - sum(weights.values()))
    amounts = (
        parts(base.amount_minor, list(weights.values())) if sum(weights.values()) else [0] * len(weights)
    )
    split = [(rate, Money(minor, base.currency)) for rate, minor in zip(weights, amounts, strict=True)]
    return [each for each in split if each[1].amount_minor] or [(usual, base)]


def _term(rate: ProductRate, amount: Money) -> str:
    return f"{percent(rate.rate_basis_points)} of {amount.format()}" + (
        f" for {rate.sku}" if rate.sku else ""
    )
