"""The pure arithmetic that turns a fact into a reward under a rule, and says so in a sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from core.money import POINTS, Money, proportion, share
from referrals.customers import Customer, Firsts
from referrals.split import parts
from referrals.won import Bought
from rewards.conditions import (
    NONE,
    WHOLE,
    Conditions,
    Counted,
    ProductRate,
    month_of_customer,
    percent,
    reached_words,
)
from rewards.rules import Trigger, Version, called, in_force, name

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
    """A fact with its customer's month, where they bought before it; `first`: see referrals/customers.py."""
    begun, bought = first.get(fact.bought.customer, (at, None))
    if fact.trigger != "sale" or bought is None or bought >= at:
        return fact
    return replace(fact, customer_month=month_of_customer(begun, at, zone))


def _is_early_enough(rule: Version, fact: Fact) -> bool:
    months = rule.conditions.first_months
    return not months or fact.customer_month <= months


def reward_for(fact: Fact, rule: Version) -> Computed:
    """The reward of a fact under a rule: percentages rounded half to even, once (money.md, Reward rules)."""
    whole = fact.amount or Money(0, POINTS)
    if rule.kind == "flat":
        flat = Money(rule.amount_minor, rule.currency)
        return Computed(
            flat, f"{flat.format()} for {_called(fact, rule)} ({_version(fact, rule)})", whole.amount_minor
        )
    if rule.conditions is NONE:
        earned = Money(share(whole.amount_minor, rule.rate_basis_points), whole.currency)
        says = f"{percent(rule.rate_basis_points)} of {whole.format()} = {earned.format()} ({_version(fact, rule)})"
        return Computed(earned, says, whole.amount_minor)
    base, less = _base(whole, fact.bought, rule.conditions)
    rated = _rated(base, fact.bought, rule)
    weighed = sum(amount.amount_minor * rate.rate_basis_points for rate, amount in rated)
    earned = Money(proportion(weighed, 1, WHOLE), base.currency)
    terms = " and ".join(_term(rate, amount) for rate, amount in rated)
    return Computed(earned, f"{less}{terms} = {earned.format()} ({_version(fact, rule)})", base.amount_minor)


def _called(fact: Fact, rule: Version) -> str:
    return called(rule.trigger) if fact.reached is None else reached_words(rule.conditions, fact.reached.at)


def _version(fact: Fact, rule: Version) -> str:
    """`recurring rule, version 2, month 3 of 12`."""
    months = rule.conditions.first_months
    return f"{name(rule)}, the customer's month {fact.customer_month} of {months}" if months else name(rule)


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


def _rated(base: Money, bought: Bought, rule: Version) -> list[tuple[ProductRate, Money]]:
    """The base in parts by rate: each product's as its lines weigh, the rule's own rate for all else.

    What the lines leave of the base has the rule's own rate; where they are more than it, as with tax in them, the base is
    split by them to the unit.
    """
    usual = ProductRate("", rule.rate_basis_points)
    weights: dict[ProductRate, int] = {}
    if rule.conditions.products:
        for line in bought.lines:
            rate = rule.conditions.rate_of(str(line["sku"])) or usual
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
