"""Reward rules: versioned data per programme, each version in force from a moment until the next one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from sqlalchemy import JSON, CheckConstraint, Text, UniqueConstraint, or_, update
from sqlalchemy import select as select_columns
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, SQLModel, col, select

from core import audit
from core.access import Actor
from core.clock import now
from core.columns import key, minor, moment, one_of, word
from core.db import session, update_one
from core.errors import Conflict, Invalid, NotFound
from core.money import POINTS, Money, require_currency
from core.reading import Columns, Reading, among
from hub.programmes import Programme
from rewards.rules.conditions import NONE, Conditions, milestone_words, percent, read, sentences, written

Trigger = Literal["lead", "sale", "recurring", "certification", "milestone", "activity", "answer"]
"""recurring: a sale to somebody who bought before, where there is such a rule; else it is a sale like any other.

activity and answer: what an advocate handed in was accepted, see advocates/activities.py; milestone: rewards/rules/milestones.py
"""
SOLD: frozenset[Trigger] = frozenset({"lead", "sale", "recurring"})
"""those that a percentage can be taken of"""
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
    conditions: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """see rewards/rules/conditions.py"""
    cap_currency: str = Field(default="", sa_type=Text)
    """of the cap among the conditions"""


@dataclass(frozen=True)
class Terms:
    """What a new version says; `rate_basis_points` for percent, `flat` for flat."""

    kind: Kind
    rate_basis_points: int = 0
    flat: Money | None = None
    conditions: Conditions = NONE

    @property
    def pays(self) -> Pays:
        """Points or money."""
        return "points" if self.flat is not None and self.flat.currency == POINTS else "money"


class NoMoneyHere(Invalid):
    """Only a programme that pays cash can have a rule that pays money: here it has to be points."""


class WrongTerms(Invalid):
    """A rule is either a percentage between 0.01 % and 100 %, or a positive amount."""


class PercentOfNothing(Invalid):
    """Only leads and sales have an amount that a percentage could be taken of: choose a flat reward."""


class ConditionsDoNotFit(Invalid):
    """Products need a lead or a sale, and as the rule a percentage or a sum; what is left out needs a percentage, and so does another currency, months a recurring sale, a gift a lead or a sale, milestones numbers."""


class RuleOverlaps(Conflict):
    """A new version has to begin after the one before it began."""


class RuleChanged(Conflict):
    """Somebody began another version since you looked. Nothing was saved; please look again."""


class NotInForce(Conflict):
    """This version of the rule is not in force any more."""


class RuleNotFound(NotFound):
    """There is no such rule."""


def change_rule(
    programme: Programme,
    trigger: Trigger,
    terms: Terms,
    *,
    by: Actor,
    valid_from: datetime | None = None,
    seen: int | None = None,
) -> RewardRule:
    """Begin a new version (from `valid_from`, else now) and end the one before it, which is the one that was `seen`.

    Raises NoMoneyHere, WrongTerms, PercentOfNothing, ConditionsDoNotFit, RuleChanged, RuleOverlaps, UnknownCurrency.
    """
    check_terms(programme, trigger, terms)
    start = valid_from or now()
    before = _newest(programme.id, trigger, terms.pays)
    if seen is not None and seen != (before.version if before else 0):
        raise RuleChanged
    if before is not None:
        if start <= before.valid_from:
            raise RuleOverlaps
        if before.valid_to is None or before.valid_to > start:  # else somebody ended it
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
        conditions=written(terms.conditions),
        cap_currency=cap_currency(programme, terms),
    )
    try:
        with session().begin_nested():
            session().add(rule)
    except IntegrityError as error:  # two at once
        raise RuleChanged from error
    says = {"trigger": trigger, "version": rule.version, "says": sentence(rule)}
    audit.record(by, "rule.changed", "reward_rule", rule.id, unit_id=programme.unit_id, details=says)
    return rule


def end_rule(rule: RewardRule, programme: Programme, *, by: Actor) -> None:
    """From now on nothing is earned by a rule. Raises NotInForce."""
    at = now()
    open_end = or_(col(RewardRule.valid_to).is_(None), col(RewardRule.valid_to) > at)
    still = update(RewardRule).where(col(RewardRule.id) == rule.id, col(RewardRule.valid_from) < at, open_end)
    if not update_one(still.values(valid_to=at).execution_options(synchronize_session=False)):
        raise NotInForce
    session().refresh(rule)
    says = {"trigger": rule.trigger, "version": rule.version, "says": sentence(rule)}
    audit.record(by, "rule.ended", "reward_rule", rule.id, unit_id=programme.unit_id, details=says)


def cap_currency(programme: Programme, terms: Terms) -> str:
    """In what a cap counts: points, or the currency of the programme; empty without a cap."""
    if not terms.conditions.cap_minor:
        return ""
    return POINTS if terms.pays == "points" else programme.currency


def check_terms(programme: Programme, trigger: Trigger, terms: Terms) -> None:
    """Refuse terms that cannot be.

    Raises NoMoneyHere, WrongTerms, PercentOfNothing, ConditionsDoNotFit,
    UnknownCurrency.
    """
    asked = terms.conditions
    given = any(each.rate_basis_points or each.flat_minor for each in asked.products)
    least = 0 if given or any(each.value for each in asked.for_whom) else 1
    if not _values_fit(terms, trigger) or (
        (trigger != "recurring" and asked.first_months)
        or (trigger not in {"lead", "sale"} and asked.gives_customer)
        or (trigger == "milestone") != bool(asked.milestones)
    ):
        raise ConditionsDoNotFit
    if max(asked.cap_minor, asked.customer_credit_minor, *asked.milestones) > MOST_MINOR:
        raise WrongTerms
    if terms.kind == "percent":
        if not least <= terms.rate_basis_points <= WHOLE or terms.flat is not None:
            raise WrongTerms
        if trigger not in SOLD:
            raise PercentOfNothing
    elif terms.flat is None or not least <= terms.flat.amount_minor <= MOST_MINOR or terms.rate_basis_points:
        raise WrongTerms
    if terms.flat is not None:
        require_currency(terms.flat.currency)
    if terms.pays == "money" and programme.compensation != "cash":
        raise NoMoneyHere


def _values_fit(terms: Terms, trigger: Trigger) -> bool:
    """Whether products and those meant have rates in a percentage, and sums in a sum."""
    asked, in_sums = terms.conditions, terms.kind == "flat"
    if in_sums and (asked.pays_in or asked.without or (asked.products and trigger not in SOLD)):
        return False
    if any(bool(each.rate_basis_points if in_sums else each.flat_minor) for each in asked.products):
        return False
    most = MOST_MINOR if in_sums else WHOLE
    values = [each.value for each in asked.for_whom] + [each.flat_minor for each in asked.products]
    return max(values, default=0) <= most


def _newest(programme_id: str, trigger: Trigger, pays: Pays) -> RewardRule | None:
    versions = select(RewardRule).where(
        RewardRule.programme_id == programme_id, RewardRule.trigger == trigger, RewardRule.pays == pays
    )
    return session().exec(versions.order_by(col(RewardRule.version).desc()).limit(1)).first()


def newest_version(programme_id: str, trigger: Trigger, pays: Pays) -> int:
    """The number of the newest version of a rule, 0 where there is none."""
    newest = _newest(programme_id, trigger, pays)
    return newest.version if newest else 0


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
    conditions: Conditions
    cap_currency: str
    hold_days: int
    zone: ZoneInfo


def versions_of(programme_ids: Iterable[str]) -> dict[str, list[Version]]:
    """Programme → every version of every rule, for `in_force`; those that pay money first."""
    found: dict[str, list[Version]] = {each: [] for each in programme_ids}
    for row in _VERSIONS.rows(found):
        found[row[1]].append(_version(row))
    return found


def _version(row: Sequence[Any]) -> Version:
    conditions, cap_currency, hold_days, zone = row[-4:]
    return Version(*(*row[:-4], read(conditions), cap_currency, hold_days, ZoneInfo(zone)))


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
        *(col(RewardRule.valid_to), col(RewardRule.conditions), col(RewardRule.cap_currency)),
        *(col(Programme.hold_days), col(Programme.time_zone)),
    )
    versions = select_columns(*columns).join(Programme, col(Programme.id) == col(RewardRule.programme_id))
    return versions.where(among(RewardRule.programme_id)).order_by(col(RewardRule.pays))


_VERSIONS = Reading(_versions)


def rules_of(programme_id: str) -> list[RewardRule]:
    """Every version of every rule of a programme, the newest first within each trigger."""
    wanted = select(RewardRule).where(RewardRule.programme_id == programme_id)
    order = (col(RewardRule.trigger), col(RewardRule.pays), col(RewardRule.version).desc())
    return list(session().exec(wanted.order_by(*order)).all())


def find_rule(rule_id: str) -> RewardRule | None:
    """The rule version with this id, if there is one."""
    return session().get(RewardRule, rule_id)


def get_rule(rule_id: str) -> RewardRule:
    """The rule version with this id; raises RuleNotFound."""
    rule = find_rule(rule_id)
    if rule is None:
        raise RuleNotFound
    return rule


def name(rule: RewardRule | Version) -> str:
    """How a version is called: `sale rule, version 2`."""
    return f"{rule.trigger} rule, version {rule.version}"


def sentence(rule: RewardRule) -> str:
    """What a version says, in words."""
    flat = Money(rule.amount_minor, rule.currency) if rule.kind == "flat" else None
    terms = Terms(rule.kind, rule.rate_basis_points, flat, read(rule.conditions))
    return words(terms, rule.trigger, rule.cap_currency)


def words(terms: Terms, trigger: Trigger, in_currency: str) -> str:
    """What terms say: `10 % of each sale; without tax`, `€2.50 for each lead`; a cap in this currency."""
    asked = terms.conditions
    capped = Money(asked.cap_minor, in_currency).format() if asked.cap_minor else ""
    earned = (
        f"{percent(terms.rate_basis_points)} of {called(trigger, asked)}"
        if terms.flat is None
        else f"{terms.flat.format()} for {called(trigger, asked)}"
    )
    return "; ".join([earned, *sentences(asked, capped, _says(terms.flat))])


def _says(flat: Money | None) -> Callable[[int], str]:
    """How a rule's values are said: as percentages, or as sums in its currency."""
    return percent if flat is None else lambda minor: Money(minor, flat.currency).format()


def called(trigger: Trigger, asked: Conditions = NONE) -> str:
    """What is rewarded, in words: `each sale`, `the 10th and 50th sale`."""
    if trigger == "milestone":
        return milestone_words(asked)
    return f"each {CALLED.get(trigger, trigger)}"


CALLED: Mapping[str, str] = {
    "recurring": "recurring sale",
    "activity": "accepted activity",
    "answer": "accepted answer",
}
