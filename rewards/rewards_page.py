"""The console's queue of rewards: what its address asks for, its rows and the sums at its top."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field
from sqlalchemy import ColumnElement, and_, func, not_, or_
from sqlalchemy import select as select_columns
from sqlmodel import col, select

from advocates.membership import Membership
from core.access import Actor
from core.db import session
from core.inputs import Input
from core.money import Money
from core.paging import Page, page_of
from core.people import Person
from hub.programmes import Programme
from referrals.conversions.conversions import Conversion
from referrals.fraud.fraud_cases import FraudCase, cases_of
from referrals.links.links import Link
from rewards.approvals.approvals import needs_second
from rewards.reward import Reward, State

SEE = "reward.see"
RISKY = 100
"""rewards with signs of fraud on the first page"""


class RewardsQuery(Input):
    """Search, filters, page; without a state, what waits for approval."""

    q: str = Field(default="", max_length=200)
    state: State | Literal["all"] = "approvable"
    programme: str = Field(default="", max_length=200)
    risk: Literal["", "none", "second", "signals"] = ""
    sort: Literal["", "age", "-age", "amount", "-amount"] = ""
    """without one, the riskiest first; `age` begins with the oldest"""
    after: str | None = Field(default=None, max_length=1_000)


@dataclass(frozen=True)
class Row:
    """A reward as its row shows it."""

    reward: Reward
    number: int
    name: str
    programme: Programme
    conversion: Conversion | None
    needs_second: bool
    case: FraudCase | None
    """signs of fraud in the conversion behind it"""


@dataclass(frozen=True)
class Sums:
    """What stands at the top: sums per currency, how many need a second person, how many have signs of fraud."""

    waiting: Sequence[Money]
    held: Sequence[Money]
    second: int
    signals: int


_BY_AGE = ((col(Reward.id), "id"),)
_BY_AMOUNT = ((col(Reward.currency), "currency"), (col(Reward.amount_minor), "amount_minor"), *_BY_AGE)


def rewards_of(actor: Actor, query: RewardsQuery) -> Page[Reward]:
    """A page of the rewards that the actor sees, sorted as asked; of what waits for approval the riskiest before all.

    Those with signs of fraud are on the first page only: the worst first, then the largest, then the oldest; where they
    are too many for it, the filter `signals` has them all. Amounts are sorted within their currency.
    """
    wanted = select(Reward).where(fits(actor, query))
    if query.sort or query.state != "approvable" or query.risk:
        order = _BY_AMOUNT if query.sort.endswith("amount") else _BY_AGE
        return page_of(wanted, *order, after=query.after, descending=query.sort not in {"age", "amount"})
    calm = page_of(wanted.where(~has_signals()), *_BY_AGE, after=query.after)
    if query.after:
        return calm
    behind = and_(
        col(FraudCase.conversion_id) == col(Reward.conversion_id),
        col(FraudCase.membership_id) == col(Reward.membership_id),
        col(FraudCase.state) == "noted",
    )
    worst = wanted.join(FraudCase, behind).order_by(
        col(FraudCase.score).desc(), col(Reward.amount_minor).desc(), col(Reward.id)
    )
    return Page([*session().exec(worst.limit(RISKY)).all(), *calm.items], calm.next)


def fits(actor: Actor, query: RewardsQuery, *, right: str = SEE) -> ColumnElement[bool]:
    """The condition that the actor has a right in the unit of a reward, and that it fits the filters."""
    asked: list[ColumnElement[bool]] = [col(Reward.unit_id).in_(actor.units_for(right))]
    if query.state != "all":
        asked.append(col(Reward.state) == query.state)
    if query.programme:
        named = select(Programme.id).where(Programme.slug == query.programme)
        asked.append(col(Reward.programme_id).in_(named))
    if query.q:
        asked.append(_about(query.q))
    if query.risk == "signals":
        asked.append(has_signals())
    elif query.risk:
        asked.append(takes_two() if query.risk == "second" else not_(takes_two()))
    return and_(*asked)


def _visible(actor: Actor) -> ColumnElement[bool]:
    return col(Reward.unit_id).in_(actor.units_for(SEE))


def takes_two() -> ColumnElement[bool]:
    """As `approvals.needs_second` says it, for a whole table."""
    small = select(Programme.id).where(
        Programme.id == Reward.programme_id,
        Programme.currency == Reward.currency,
        Programme.four_eyes_above_minor >= Reward.amount_minor,
    )
    return and_(col(Reward.kind) == "earned", not_(small.exists()))


def has_signals() -> ColumnElement[bool]:
    """Whether there are signs of fraud in the conversion behind a reward that nobody has judged."""
    case = select(FraudCase.id).where(
        FraudCase.conversion_id == Reward.conversion_id,
        FraudCase.membership_id == Reward.membership_id,
        FraudCase.state == "noted",
    )
    return case.exists()


def _about(words: str) -> ColumnElement[bool]:
    low = words.lower()
    people = select(Membership.id).join(Person, col(Person.id) == col(Membership.person_id))
    named = or_(
        func.lower(Person.name).contains(low, autoescape=True),
        col(Person.email).contains(low, autoescape=True),
    )
    orders = select(Conversion.id).where(func.lower(Conversion.external_id).contains(low, autoescape=True))
    links = select(Conversion.id).join(Link, col(Link.id) == col(Conversion.link_id)).where(Link.code == low)
    return or_(
        col(Reward.membership_id).in_(people.where(named)),
        col(Reward.conversion_id).in_(orders),
        col(Reward.conversion_id).in_(links),
    )


def rows(rewards: Sequence[Reward]) -> list[Row]:
    """What the page shows of each."""
    people = _people({each.membership_id for each in rewards})
    programmes = {each.id: each for each in _all(Programme, {each.programme_id for each in rewards})}
    orders = orders_of(rewards)
    cases = {(each.conversion_id, each.membership_id): each for each in cases_of(list(orders))}
    return [
        Row(
            reward=each,
            number=people[each.membership_id][0],
            name=people[each.membership_id][1],
            programme=programmes[each.programme_id],
            conversion=orders.get(each.conversion_id or ""),
            needs_second=each.kind == "earned" and needs_second(each, programmes[each.programme_id]),
            case=cases.get((each.conversion_id or "", each.membership_id)),
        )
        for each in rewards
    ]


def orders_of(rewards: Sequence[Reward]) -> dict[str, Conversion]:
    """The conversions behind rewards, by their ids."""
    return {each.id: each for each in _all(Conversion, {each.conversion_id for each in rewards})}


def _people(membership_ids: set[str]) -> dict[str, tuple[int, str]]:
    wanted = (
        select_columns(col(Membership.id), col(Membership.number), col(Person.name))
        .join(Person, col(Person.id) == col(Membership.person_id))
        .where(col(Membership.id).in_(membership_ids))
    )
    return {key: (number, name) for key, number, name in session().execute(wanted)}


def _all(table: Any, ids: set[Any]) -> Sequence[Any]:  # noqa: ANN401 - any table with an id
    return session().exec(select(table).where(col(table.id).in_({each for each in ids if each}))).all()


def sums(actor: Actor) -> Sums:
    """The figures at the top, over everything the actor sees."""
    second = select(func.count()).where(_visible(actor), col(Reward.state) == "approvable", takes_two())
    signals = select(func.count()).where(_visible(actor), col(Reward.state) == "approvable", has_signals())
    counts = session().exec(second).one(), session().exec(signals).one()
    return Sums(_total(actor, "approvable"), _total(actor, "held"), *counts)


def _total(actor: Actor, state: State) -> list[Money]:
    total = (
        select_columns(col(Reward.currency), func.sum(col(Reward.amount_minor)))
        .where(_visible(actor), col(Reward.state) == state)
        .group_by(col(Reward.currency))
        .order_by(func.sum(col(Reward.amount_minor)).desc())
    )
    return [Money(int(amount), currency) for currency, amount in session().execute(total)]
