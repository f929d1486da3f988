"""Reward rules: versioned data per programme, and the pure arithmetic that turns a fact into a reward."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, get_args

from sqlalchemy import CheckConstraint, Text, UniqueConstraint, or_
from sqlalchemy import select as select_columns
from sqlmodel import Field, SQLModel, col, select

from core import audit
from core.access import Actor
from core.clock import now
from core.columns import key, minor, moment, one_of, word
from core.db import session
from core.errors import Conflict, Invalid, NotFound
from core.money import POINTS, Money, require_currency, share
from core.reading import Columns, Reading, among
from hub.programmes import Programme

Trigger = Literal["lead", "sale", "certification"]
Kind = Literal["percent", "flat"]
Pays = Literal["money", "points"]
WHOLE = 10_000
"""a rate of 100 % in basis points"""
MOST_MINOR = 10**15


class RewardRule(SQLModel, table=True):
    """What a trigger earns in a programme, from when until when (half-open); a change is a new version."""

    __tablename__ = "reward_rule"
    __table_args__ = (
        UniqueConstraint("programme_id", "trigger", "pays", "version"),
        one_of("trigger", get_args(Trigger)),
        one_of("kind", get_args(Kind)),
        one_of("pays", get_args(Pays)),
        CheckConstraint(f"rate_basis_points BETWEEN 0 AND {WHOLE}", name="rate"),
        CheckConstraint("amount_minor >= 0", name="amount"),
        CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="valid"),
    )

    id: str = key()
    programme_id: str = Field(foreign_key="programme.id", index=True, sa_type=Text)
    trigger: Trigger = word()
    pays: Pays = word()
    """one rule of each at a time: the same sale may earn money and points"""
    version: int
    kind: Kind = word()
    rate_basis_points: int = 0
    """of percent"""
    amount_minor: int = minor(0)
    """of flat"""
    currency: str = Field(default="", sa_type=Text)
    """of flat, PTS for points; percent takes the conversion's"""
    valid_from: datetime = moment()
    valid_to: datetime | None = moment(optional=True)
    made_by: str = Field(default="", sa_type=Text)


@dataclass(frozen=True)
class Terms:
    """What a new version says; `rate_basis_points` for percent, `flat` for flat."""

    kind: Kind
    rate_basis_points: int = 0
    flat: Money | None = None

    @property
    def pays(self) -> Pays:
        """Points or money."""
        return "points" if self.flat is not None and self.flat.currency == POINTS else "money"


@dataclass(frozen=True)
class Fact:
    """What happened, as a rule sees it; `base` is None where no amount is involved."""

    trigger: Trigger
    base: Money | None = None


@dataclass(frozen=True)
class Computed:
    """A reward's amount and how it came about, as a sentence."""

    amount: Money
    arithmetic: str


class NoMoneyHere(Invalid):
    """Only a programme that pays cash can have a rule that pays money: here it has to be points."""


class WrongTerms(Invalid):
    """A rule is either a percentage between 0.01 % and 100 %, or a positive amount."""


class PercentOfNothing(Invalid):
    """A certification has no amount that a percentage could be taken of: choose a flat reward."""


class RuleOverlaps(Conflict):
    """A new version has to begin after the one before it began."""


class RuleNotFound(NotFound):
    """There is no such rule."""


def change_rule(
    programme: Programme, trigger: Trigger, terms: Terms, *, by: Actor, valid_from: datetime | None = None
) -> RewardRule:
    """Begin a new version (from `valid_from`, else now) and end the one before it.

    Raises NoMoneyHere, WrongTerms, PercentOfNothing, RuleOverlaps, UnknownCurrency.
    """
    check_terms(programme, trigger, terms)
    start = valid_from or now()
    before = _newest(programme.id, trigger, terms.pays)
    if before is not None:
        if start <= before.valid_from:
            raise RuleOverlaps
        before.valid_to = start
        session().add(before)
    flat = terms.flat or Money(0, "")
    rule = RewardRule(
        programme_id=programme.id,
        trigger=trigger,
        pays=terms.pays,
        version=before.version + 1 if before else 1,
        kind=terms.kind,
        rate_basis_points=terms.rate_basis_points,
        amount_minor=flat.amount_minor,
        currency=flat.currency,
        valid_from=start,
        made_by=by.id,
    )
    session().add(rule)
    session().flush()
    says = {"trigger": trigger, "version": rule.version, "says": sentence(rule)}
    audit.record(by, "rule.changed", "reward_rule", rule.id, unit_id=programme.unit_id, details=says)
    return rule


def check_terms(programme: Programme, trigger: Trigger, terms: Terms) -> None:
    """Refuse terms that cannot be; raises NoMoneyHere, WrongTerms, PercentOfNothing, UnknownCurrency."""
    if terms.kind == "percent":
        if not 0 < terms.rate_basis_points <= WHOLE or terms.flat is not None:
            raise WrongTerms
        if trigger == "certification":
            raise PercentOfNothing
    elif terms.flat is None or not 0 < terms.flat.amount_minor <= MOST_MINOR or terms.rate_basis_points:
        raise WrongTerms
    if terms.flat is not None:
        require_currency(terms.flat.currency)
    if terms.pays == "money" and programme.compensation != "cash":
        raise NoMoneyHere


def _newest(programme_id: str, trigger: Trigger, pays: Pays) -> RewardRule | None:
    versions = select(RewardRule).where(
        RewardRule.programme_id == programme_id, RewardRule.trigger == trigger, RewardRule.pays == pays
    )
    return session().exec(versions.order_by(col(RewardRule.version).desc()).limit(1)).first()


def rules_at(programme_id: str, trigger: Trigger, at: datetime) -> list[RewardRule]:
    """The rules in force for a trigger at a moment: at most one that pays money and one that pays points."""
    in_force = select(RewardRule).where(
        RewardRule.programme_id == programme_id,
        RewardRule.trigger == trigger,
        RewardRule.valid_from <= at,
        or_(col(RewardRule.valid_to).is_(None), col(RewardRule.valid_to) > at),
    )
    return list(session().exec(in_force.order_by(col(RewardRule.pays))).all())


@dataclass(frozen=True)
class Version:
    """A version of a rule, as rewards are computed from it, with its programme's hold."""

    id: str
    programme_id: str
    trigger: Trigger
    pays: Pays
    version: int
    kind: Kind
    rate_basis_points: int
    amount_minor: int
    currency: str
    valid_from: datetime
    valid_to: datetime | None
    hold_days: int


def versions_of(programme_ids: Iterable[str]) -> dict[str, list[Version]]:
    """Programme → every version of every rule, for `in_force`; those that pay money first."""
    found: dict[str, list[Version]] = {each: [] for each in programme_ids}
    for row in _VERSIONS.rows(found):
        found[row[1]].append(Version(*row))
    return found


def in_force(versions: Iterable[Version], trigger: Trigger, at: datetime) -> list[Version]:
    """As rules_at, of versions that are known already."""
    return [
        each
        for each in versions
        if each.trigger == trigger and each.valid_from <= at and (each.valid_to is None or at < each.valid_to)
    ]


def _versions() -> Columns:
    columns: tuple[Any, ...] = (
        *(col(RewardRule.id), col(RewardRule.programme_id), col(RewardRule.trigger), col(RewardRule.pays)),
        *(col(RewardRule.version), col(RewardRule.kind), col(RewardRule.rate_basis_points)),
        *(col(RewardRule.amount_minor), col(RewardRule.currency), col(RewardRule.valid_from)),
        *(col(RewardRule.valid_to), col(Programme.hold_days)),
    )
    versions = select_columns(*columns).join(Programme, col(Programme.id) == col(RewardRule.programme_id))
    return versions.where(among(RewardRule.programme_id)).order_by(col(RewardRule.pays))


_VERSIONS = Reading(_versions)


def rules_of(programme_id: str) -> list[RewardRule]:
    """Every version of every rule of a programme, the newest first within each trigger."""
    wanted = select(RewardRule).where(RewardRule.programme_id == programme_id)
    order = (col(RewardRule.trigger), col(RewardRule.pays), col(RewardRule.version).desc())
    return list(session().exec(wanted.order_by(*order)).all())


def get_rule(rule_id: str) -> RewardRule:
    """The rule version with this id; raises RuleNotFound."""
    rule = session().get(RewardRule, rule_id)
    if rule is None:
        raise RuleNotFound
    return rule


def reward_for(fact: Fact, rule: RewardRule | Version) -> Computed:
    """The reward of a fact under a rule: percentages rounded half to even, once (money.md, Reward rules)."""
    if rule.kind == "flat":
        flat = Money(rule.amount_minor, rule.currency)
        return Computed(flat, f"{flat.format()} for each {rule.trigger} ({name(rule)})")
    base = fact.base or Money(0, POINTS)
    earned = Money(share(base.amount_minor, rule.rate_basis_points), base.currency)
    return Computed(
        earned, f"{percent(rule.rate_basis_points)} of {base.format()} = {earned.format()} ({name(rule)})"
    )


def percent(rate_basis_points: int) -> str:
    """`10 %`, `12.5 %`."""
    plain = f"{(Decimal(rate_basis_points) / 100):f}"
    return f"{plain.rstrip('0').rstrip('.') if '.' in plain else plain} %"


def name(rule: RewardRule | Version) -> str:
    """How a version is called: `sale rule, version 2`."""
    return f"{rule.trigger} rule, version {rule.version}"


def sentence(rule: RewardRule) -> str:
    """What a version says, in words."""
    flat = Money(rule.amount_minor, rule.currency) if rule.kind == "flat" else None
    return words(Terms(rule.kind, rule.rate_basis_points, flat), rule.trigger)


def words(terms: Terms, trigger: Trigger) -> str:
    """What terms say: `10 % of each sale`, `€2.50 for each lead`."""
    if terms.flat is None:
        return f"{percent(terms.rate_basis_points)} of each {trigger}"
    return f"{terms.flat.format()} for each {trigger}"
