"""The most that an advocate earns by a rule in a period: what is used of it, and what is left, checked under lock.

What is used stays used: a refund or a denial gives nothing of it back. A cap counts in its own currency.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import CheckConstraint, ColumnElement, Text, UniqueConstraint, update
from sqlmodel import Field, SQLModel, select

from core import bulk
from core.columns import key, minor, word
from core.db import run, session
from core.ids import new_id
from core.money import POINTS, Money
from referrals.conversions.conversion_rows import Conversion
from rewards.reward import NewReward, rewards_of_conversion
from rewards.rules.conditions import cap_period_of
from rewards.rules.rules import Trigger, Version, in_force, name, versions_of

Scope = tuple[str, str, str, str, str]
"""membership, trigger, pays, period, currency: a new version of a rule begins no new cap"""


class CapUse(SQLModel, table=True):
    """What an advocate has earned of a cap in a period."""

    __tablename__ = "reward_cap_use"
    __table_args__ = (
        UniqueConstraint("membership_id", "trigger", "pays", "period", "currency"),
        CheckConstraint("used_minor >= 0", name="used"),
    )

    id: str = key()
    membership_id: str = Field(foreign_key="membership.id", sa_type=Text)
    trigger: str = word()
    pays: str = word()
    period: str = Field(sa_type=Text)
    """`2026-11`, `2026-Q4`, `2026`, where the programme is"""
    currency: str = Field(sa_type=Text)
    used_minor: int = minor(0)


@dataclass(frozen=True)
class _NewUse:
    """A cap of which nothing is used yet."""

    id: str
    membership_id: str
    trigger: str
    pays: str
    period: str
    currency: str
    used_minor: int = 0


def within_caps(rewards: Sequence[NewReward], rules: Mapping[str, Version]) -> list[NewReward]:
    """The rewards as their caps leave them, in order; one of which nothing is left is none."""
    by_scope: dict[Scope, list[NewReward]] = defaultdict(list)
    for each in rewards:
        scope = scope_of(each.membership_id, each.currency, each.occurred_at, rules[each.rule_id])
        if scope is not None:
            by_scope[scope].append(each)
    if not by_scope:
        return list(rewards)
    for scope in sorted(by_scope):  # in one order, so that two at once never wait for each other
        _take(scope, by_scope[scope], rules)
    return [each for each in rewards if each.amount_minor > 0]


def scope_of(membership_id: str, currency: str, at: datetime, rule: Version) -> Scope | None:
    """Of which cap something that is earned under a rule takes; None where there is none in its currency."""
    if not rule.conditions.cap_minor or currency != rule.cap_currency:
        return None
    period = cap_period_of(rule.conditions, at, rule.zone)
    return membership_id, rule.trigger, rule.pays, period, currency


def left_of(rule: Version, used_minor: int) -> int:
    """What is left of a rule's cap."""
    return max(0, rule.conditions.cap_minor - used_minor)


def used_up(conversion: Conversion) -> list[str]:
    """Why a conversion that somebody won earned nothing by a rule: all that it gives at most was used, as sentences."""
    member, programme = conversion.membership_id, conversion.programme_id
    if member is None or programme is None:
        return []
    rewards = rewards_of_conversion(conversion.id)
    paid = {"points" if each.currency == POINTS else "money" for each in rewards if not each.for_milestone}
    triggers: tuple[Trigger, ...] = ("sale", "recurring") if conversion.kind == "sale" else ("lead",)
    at, versions = conversion.occurred_at, versions_of([programme])[programme]
    said = []
    for rule in (each for trigger in triggers for each in in_force(versions, trigger, at)):
        scope = scope_of(member, rule.cap_currency, at, rule)
        if scope is None or rule.pays in paid:
            continue
        used = session().exec(select(CapUse.used_minor).where(*_mine(scope))).first()
        if used is not None and not left_of(rule, used):
            most = Money(rule.conditions.cap_minor, rule.cap_currency).format()
            said.append(
                f"Nothing by the {name(rule)}: it gives at most {most} a {rule.conditions.cap_period}, which was used up."
            )
    return said


def leave(rewards: Iterable[NewReward], rules: Mapping[str, Version], used_minor: int) -> int:
    """Shorten rewards of one scope to what is left of their caps, and say so; answers what is used then."""
    for each in rewards:
        rule = rules[each.rule_id]
        left = left_of(rule, used_minor)
        if each.amount_minor > left:
            most, rest = (
                Money(rule.conditions.cap_minor, each.currency).format(),
                Money(left, each.currency).format(),
            )
            each.arithmetic += f"; at most {most} a {rule.conditions.cap_period}, of which {rest} was left"
            each.granted_minor = each.amount_minor = left
        used_minor += each.amount_minor
    return used_minor


def _take(scope: Scope, rewards: Sequence[NewReward], rules: Mapping[str, Version]) -> None:
    """Lock what is used of a cap until the commit, then take of what is left."""
    bulk.store_new(CapUse, [_NewUse(new_id(), *scope)])
    mine = _mine(scope)
    run(update(CapUse).where(*mine).values(used_minor=CapUse.used_minor))
    used = session().exec(select(CapUse.used_minor).where(*mine)).one()
    run(update(CapUse).where(*mine).values(used_minor=leave(rewards, rules, used)))


def _mine(scope: Scope) -> list[ColumnElement[bool]]:
    names = ("membership_id", "trigger", "pays", "period", "currency")
    return [getattr(CapUse, each) == value for each, value in zip(names, scope, strict=True)]
