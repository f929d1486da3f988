"""What a new version of a rule would have given in the last month that ended, beside what was given: before it is saved."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import nlargest

from core.clock import now
from core.money import Money
from hub.programmes import Programme
from rewards.rules import caps
from rewards.rules.arithmetic import Exchanging, reward_for, rules_for
from rewards.rules.exchange_rates import NoRate, Rates, rates_of
from rewards.rules.happened import AT_ONCE, Happened, happened_in
from rewards.rules.rules import Terms, Trigger, Version, cap_currency, check_terms, versions_of
from rewards.statements.statements import last_ended, span_of

BIGGEST = 5
EVER = datetime.min.replace(tzinfo=UTC)


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
    without_rate: int = 0
    """of which nobody has entered what their currency was worth"""
    sums: list[Change] = field(default_factory=list)
    biggest: list[Change] = field(default_factory=list)


def effect_of(programme: Programme, trigger: Trigger, terms: Terms) -> Effect:
    """What these terms would have given; raises as `change_rule` does for terms that cannot be."""
    check_terms(programme, trigger, terms)
    month = last_ended(programme, now())
    ruled = [each for each in versions_of([programme.id])[programme.id] if each.pays == terms.pays]
    new, span = _version(programme, trigger, terms), span_of(programme, month)
    rates = (
        rates_of(each.date() for each in span)
        if any(each.conditions.pays_in for each in (*ruled, new))
        else None
    )
    return compare(
        month, happened_in(programme, new, [*ruled, new], span), ruled, new, rates, programme.unit_id
    )


def compare(
    month: str,
    happened: Iterable[Happened],
    ruled: Sequence[Version],
    new: Version,
    rates: Rates | None = None,
    unit_id: str = "",
) -> Effect:
    """The rules in force at each fact beside the same with the new version from the beginning; purely.

    Facts come in the order in which they happened, so that caps are used up as they would have been.
    """
    found = Effect(month)
    rates = rates or Rates()
    sums: dict[str, Change] = {}
    changes: list[Change] = []
    as_it_was, as_it_would_be = (
        _Side(ruled, rates, unit_id),
        _Side([*(each for each in ruled if each.trigger != new.trigger), new], rates, unit_id),
    )
    for each in happened:
        found.facts += 1
        for change in _changes(each, as_it_was, as_it_would_be):
            before = sums.get(change.before.currency, Change("", _nothing(change), _nothing(change)))
            sums[change.before.currency] = Change(
                "", before.before + change.before, before.after + change.after
            )
            if change.before != change.after:
                found.changed += 1
                changes.append(change)
        if len(changes) >= AT_ONCE:
            changes = _biggest(changes)
    found.without_rate = as_it_would_be.without_rate
    found.sums, found.biggest = [sums[each] for each in sorted(sums)], _biggest(changes)
    return found


class _Side:
    """What rules give, with what is used of their caps."""

    def __init__(self, rules: Sequence[Version], rates: Rates, unit_id: str) -> None:
        self._rules, self._rates, self._unit_id = rules, rates, unit_id
        self.without_rate = 0
        self._used: dict[tuple[str, ...], int] = {}

    def given(self, happened: Happened) -> list[Money]:
        """What a fact earns under them."""
        rules = rules_for(self._rules, happened.fact, happened.at)
        return [self._capped(self._earned(happened, each), each, happened) for each in rules]

    def _earned(self, happened: Happened, rule: Version) -> Money:
        """What is earned by the rates that there are; without one it waits, and stands here as nothing."""
        try:
            exchanging = Exchanging(self._rates, self._unit_id, happened.at)
            return reward_for(happened.fact, rule, happened.who, exchanging).amount
        except NoRate:
            self.without_rate += 1
            return Money(0, rule.conditions.pays_in)

    def _capped(self, amount: Money, rule: Version, happened: Happened) -> Money:
        scope = caps.scope_of(happened.member_id, amount.currency, happened.at, rule)
        if scope is None:
            return amount
        used = self._used.get(scope, 0)
        taken = min(amount.amount_minor, caps.left_of(rule, used))
        self._used[scope] = used + taken
        return Money(taken, amount.currency)


def _changes(happened: Happened, as_it_was: _Side, as_it_would_be: _Side) -> Iterator[Change]:
    given, would = as_it_was.given(happened), as_it_would_be.given(happened)
    for currency in sorted({each.currency for each in (*given, *would)}):
        before, after = (
            sum(each.amount_minor for each in side if each.currency == currency) for side in (given, would)
        )
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
        valid_from=EVER,
        valid_to=None,
        conditions=terms.conditions,
        cap_currency=cap_currency(programme, terms),
        hold_days=programme.hold_days,
        zone=programme.zone,
    )
