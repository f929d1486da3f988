"""What happened in a span that a rule would have rewarded, in its order, a thousand rows in memory at a time."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any, Literal

from sqlalchemy import func
from sqlmodel import col, select

from advocates.activities import Activity
from advocates.activity_kinds import ActivityKind
from advocates.membership import Membership
from core.db import session
from core.money import Money
from curriculum.certification import Award
from hub.programmes import Programme
from referrals.conversions.conversion_rows import Conversion
from referrals.conversions.customers import first_of
from referrals.conversions.split import WHOLE
from referrals.conversions.won import Share, Won, bought_of
from rewards.rules.arithmetic import Fact, aged
from rewards.rules.milestones import milestones_between, steps_of
from rewards.rules.rules import Trigger, Version
from rewards.rules.who import NOBODY, Who, who_were

AT_ONCE = 1_000
Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Happened:
    """A fact: what it was, whose, when, and how people know it."""

    name: str
    member_id: str
    at: datetime
    fact: Fact
    who: Who = NOBODY
    """whoever it is whose, where a rule looks at that"""


def happened_in(
    programme: Programme, new: Version, rules: Sequence[Version], span: Span
) -> Iterator[Happened]:
    """The facts of a half-open span that somebody won or earned and `new` might reward; `rules`: it and those there were."""
    asked = [each.conditions for each in rules if each.conditions.for_whom]
    found = _all_in(programme, new, rules, span)
    while some := list(islice(found, AT_ONCE)):
        people = who_were(((each.member_id, each.at) for each in some), asked)
        yield from (replace(each, who=people.get((each.member_id, each.at), NOBODY)) for each in some)


def _all_in(programme: Programme, new: Version, rules: Sequence[Version], span: Span) -> Iterator[Happened]:
    trigger = new.trigger
    if trigger == "certification":
        names = select(Award.verify_id, Award.membership_id, Award.awarded_at)
        yield from _named(names, trigger, (Award.membership_id, Award.awarded_at), programme, span)
    elif trigger in {"activity", "answer"}:
        accepted = (
            select(Activity.evidence, Activity.membership_id, Activity.decided_at)
            .join(ActivityKind, col(ActivityKind.id) == col(Activity.kind_id))
            .where(Activity.state == "accepted", ActivityKind.counts_as == trigger)
        )
        yield from _named(accepted, trigger, (Activity.membership_id, Activity.decided_at), programme, span)
    elif trigger == "milestone":
        yield from _milestones(programme, rules, span)
    else:
        for each in _sold(programme, "lead" if trigger == "lead" else "sale", span):
            if trigger != "recurring" or each.fact.customer_month:
                yield each


def _named(
    names: Any,  # noqa: ANN401 - a SELECT of name, member and moment
    trigger: Trigger,
    columns: tuple[Any, Any],
    programme: Programme,
    span: Span,
) -> Iterator[Happened]:
    member, at = map(col, columns)
    mine = names.join(Membership, col(Membership.id) == member).where(
        Membership.programme_id == programme.id, at >= span[0], at < span[1]
    )
    for row in session().exec(mine.order_by(at).execution_options(yield_per=AT_ONCE)):
        name, whose, moment = row
        yield Happened(name, whose, moment, Fact(trigger))


def _sold(programme: Programme, kind: Literal["lead", "sale"], span: Span) -> Iterator[Happened]:
    for some in _conversions(programme, span, kind):
        told = [(each, bought_of(each)) for each in some]
        first = first_of(bought.customer for _, bought in told if bought.customer[1])
        for each, bought in told:
            amount = Money(each.amount_minor, each.currency) if each.currency else None
            fact = aged(Fact(kind, amount, bought), each.occurred_at, first, programme.zone)
            yield Happened(each.external_id, str(each.membership_id), each.occurred_at, fact)


def _conversions(programme: Programme, span: Span, *kinds: str) -> Iterator[Sequence[Conversion]]:
    sold = select(Conversion).where(
        *_won_in(programme),
        col(Conversion.kind).in_(kinds),
        col(Conversion.occurred_at) >= span[0],
        col(Conversion.occurred_at) < span[1],
    )
    ordered = sold.order_by(col(Conversion.occurred_at), col(Conversion.id))
    yield from session().exec(ordered.execution_options(yield_per=AT_ONCE)).partitions(AT_ONCE)


def _won_in(programme: Programme) -> tuple[Any, ...]:
    return Conversion.programme_id == programme.id, col(Conversion.membership_id).is_not(None)


def _milestones(programme: Programme, rules: Sequence[Version], span: Span) -> Iterator[Happened]:
    """Counted from the conversions themselves; what is shared counts whole for the last touch."""
    stands = _before(programme, span[0])
    asking = [each for each in rules if each.trigger == "milestone"]
    for some in _conversions(programme, span, "lead", "sale"):
        for each in some:
            for step in steps_of(_whole(each)):
                before = stands[step.place]
                stands[step.place] = before + step.more
                for reached in milestones_between(asking, step, before):
                    fact = Fact("milestone", reached=reached)
                    yield Happened(each.external_id, step.membership_id, each.occurred_at, fact)


def _whole(sold: Conversion) -> Won:
    member = str(sold.membership_id)
    return Won(
        sold.id,
        sold.kind,
        str(sold.programme_id),
        sold.unit_id,
        sold.occurred_at,
        sold.amount_minor,
        sold.currency,
        (Share(member, WHOLE, sold.amount_minor),),
        membership_id=member,
    )


def _before(programme: Programme, begins_at: datetime) -> dict[tuple[str, str], int]:
    """What each advocate had of each metric when the span began."""
    what = (col(Conversion.membership_id), col(Conversion.kind), col(Conversion.currency))
    summed = select(*what, func.count(), func.sum(Conversion.amount_minor)).where(  # type: ignore[call-overload]  # five columns
        *_won_in(programme), col(Conversion.occurred_at) < begins_at
    )
    stands: dict[tuple[str, str], int] = defaultdict(int)
    for member, kind, currency, number, amount in session().exec(summed.group_by(*what)):
        stands[f"{kind}s", member] += number
        if kind == "sale":
            stands[f"revenue:{currency}", member] += int(amount)
    return stands
