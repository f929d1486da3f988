"""What a new version of a rule would have given in the last month that ended, beside what was given: before it is saved."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from heapq import nlargest

from sqlmodel import col, select

from advocates.membership import Membership
from core.clock import now
from core.db import session
from core.money import Money
from curriculum.certification import Award
from hub.programmes import Programme
from referrals.conversion_rows import Conversion
from rewards.rules import Fact, Terms, Trigger, Version, check_terms, in_force, reward_for, versions_of
from rewards.statements import last_ended, span_of

BIGGEST = 5
AT_ONCE = 1_000


@dataclass(frozen=True)
class Happened:
    """A fact of the month: what it was, when, and how people know it."""

    name: str
    at: datetime
    fact: Fact


@dataclass(frozen=True)
class Change:
    """What a fact earned and would have earned, in one currency."""

    name: str
    before: Money
    after: Money

    @property
    def difference(self) -> Money:
        """What would have been more, negative for less."""
        return self.after - self.before


@dataclass
class Effect:
    """The whole month: how many facts, what they earned and would have earned per currency, the biggest differences."""

    month: str
    facts: int = 0
    changed: int = 0
    sums: list[Change] = field(default_factory=list)
    biggest: list[Change] = field(default_factory=list)


def effect_of(programme: Programme, trigger: Trigger, terms: Terms) -> Effect:
    """What these terms would have given; raises as `change_rule` does for terms that cannot be."""
    check_terms(programme, trigger, terms)
    month = last_ended(programme, now())
    ruled = versions_of([programme.id])[programme.id]
    happened = _happened(programme, trigger, *span_of(programme, month))
    return compare(
        month,
        happened,
        [each for each in ruled if each.pays == terms.pays],
        _version(programme, trigger, terms),
    )


def compare(month: str, happened: Iterable[Happened], ruled: Sequence[Version], new: Version) -> Effect:
    """The rules in force at each fact beside the new version; purely."""
    found = Effect(month)
    sums: dict[str, Change] = {}
    changes: list[Change] = []
    for each in happened:
        found.facts += 1
        for change in _changes(each, ruled, new):
            before = sums.get(change.before.currency, Change("", _nothing(change), _nothing(change)))
            sums[change.before.currency] = Change(
                "", before.before + change.before, before.after + change.after
            )
            if change.before != change.after:
                found.changed += 1
                changes.append(change)
        if len(changes) >= AT_ONCE:
            changes = _biggest(changes)
    found.sums, found.biggest = [sums[each] for each in sorted(sums)], _biggest(changes)
    return found


def _changes(happened: Happened, ruled: Sequence[Version], new: Version) -> Iterator[Change]:
    given = [
        reward_for(happened.fact, each).amount for each in in_force(ruled, happened.fact.trigger, happened.at)
    ]
    would = reward_for(happened.fact, new).amount
    for currency in sorted({would.currency, *(each.currency for each in given)}):
        before = sum(each.amount_minor for each in given if each.currency == currency)
        after = would.amount_minor if would.currency == currency else 0
        if before or after:  # a lead without an amount earns a percentage of nothing
            yield Change(happened.name, Money(before, currency), Money(after, currency))


def _nothing(change: Change) -> Money:
    return Money(0, change.before.currency)


def _biggest(changes: Iterable[Change]) -> list[Change]:
    return nlargest(BIGGEST, changes, key=lambda each: abs(each.difference.amount_minor))


def _version(programme: Programme, trigger: Trigger, terms: Terms) -> Version:
    flat = terms.flat or Money(0, "")
    return Version(
        id="",
        programme_id=programme.id,
        trigger=trigger,
        pays=terms.pays,
        version=0,
        kind=terms.kind,
        rate_basis_points=terms.rate_basis_points,
        amount_minor=flat.amount_minor,
        currency=flat.currency,
        valid_from=now(),
        valid_to=None,
        hold_days=programme.hold_days,
    )


def _happened(
    programme: Programme, trigger: Trigger, begins_at: datetime, ends_at: datetime
) -> Iterator[Happened]:
    """The facts of a span that somebody won or earned, a thousand rows in memory at a time."""
    if trigger == "certification":
        awards = select(Award.verify_id, Award.awarded_at).join(
            Membership, col(Membership.id) == col(Award.membership_id)
        )
        mine = awards.where(
            Membership.programme_id == programme.id,
            col(Award.awarded_at) >= begins_at,
            col(Award.awarded_at) < ends_at,
        )
        for name, at in session().exec(mine.execution_options(yield_per=AT_ONCE)):
            yield Happened(name, at, Fact("certification"))
        return
    sold = select(
        Conversion.external_id, Conversion.occurred_at, Conversion.amount_minor, Conversion.currency
    ).where(
        Conversion.programme_id == programme.id,
        Conversion.kind == trigger,
        col(Conversion.membership_id).is_not(None),
        col(Conversion.occurred_at) >= begins_at,
        col(Conversion.occurred_at) < ends_at,
    )
    for name, at, amount, currency in session().exec(sold.execution_options(yield_per=AT_ONCE)):
        yield Happened(name, at, Fact(trigger, Money(amount, currency) if currency else None))
