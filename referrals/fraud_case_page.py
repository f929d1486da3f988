"""What a reviewer sees beside a case: whose the conversion might have been, the advocate's record, and similar cases."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from pydantic import Field
from sqlalchemy import case as case_of
from sqlalchemy import func, or_
from sqlalchemy import select as select_columns
from sqlmodel import col, select

from advocates.membership import Membership
from core.access import Actor
from core.clock import now
from core.db import session
from core.inputs import Input
from core.paging import Page, page_of
from core.people import Person, get_person
from hub.programmes import Programme
from referrals.conversions.conversion_rows import Conversion, Refund
from referrals.conversions.conversions import candidates_of
from referrals.conversions.narrowing import SeenCandidate, narrowed
from referrals.conversions.refunds import refunds_of
from referrals.fraud.fraud_cases import SEE, FraudCase, State
from referrals.fraud.fraud_traces import FraudTrace
from referrals.links.links import Link
from rewards.reward import Reward, rewards_of_conversion

MOST_SIMILAR = 20
LOOKED_BACK = timedelta(days=90)


class ReviewsQuery(Input):
    """Which cases to show; without a state those that wait."""

    state: State | Literal["all"] = "open"
    programme: str = Field(default="", max_length=200)
    q: str = Field(default="", max_length=200)
    after: str | None = Field(default=None, max_length=1_000)


@dataclass(frozen=True)
class Row:
    """A case with its conversion and its advocate."""

    case: FraudCase
    conversion: Conversion
    membership: Membership
    person: Person


@dataclass(frozen=True)
class Record:
    """What an advocate brought in the last ninety days, and how earlier cases ended."""

    conversions: int
    sales: int
    given_back: int
    noted: int
    open: int
    cleared: int
    confirmed: int


@dataclass(frozen=True)
class Shown:
    """Everything on a case's page."""

    row: Row
    candidates: Sequence[SeenCandidate]
    codes: dict[str, str]
    refunds: Sequence[Refund]
    rewards: Sequence[Reward]
    record: Record
    similar: Sequence[tuple[Row, str]]
    """cases with the same card, the same device or of the same advocate, with the word for which"""
    decided_by: str


def cases_of(actor: Actor, query: ReviewsQuery) -> Page[FraudCase]:
    """A page of the cases that the actor sees, the newest first."""
    wanted = select(FraudCase).where(col(FraudCase.unit_id).in_(actor.units_for(SEE)))
    if query.state != "all":
        wanted = wanted.where(FraudCase.state == query.state)
    if query.programme:
        programme = select(Programme.id).where(Programme.slug == query.programme)
        wanted = wanted.where(col(FraudCase.programme_id).in_(programme))
    if query.q:
        words = query.q.lower()
        people = select(Membership.id).join(Person, col(Person.id) == col(Membership.person_id))
        named = people.where(func.lower(Person.name).contains(words, autoescape=True))
        orders = select(Conversion.id).where(
            func.lower(Conversion.external_id).contains(words, autoescape=True)
        )
        about = col(FraudCase.membership_id).in_(named), col(FraudCase.conversion_id).in_(orders)
        wanted = wanted.where(or_(*about))
    return page_of(wanted, (col(FraudCase.id), "id"), after=query.after)


def rows(cases: Sequence[FraudCase]) -> list[Row]:
    """The cases with what their rows show."""
    wanted = (
        select(Conversion, FraudCase.id, Membership, Person)
        .join(FraudCase, col(FraudCase.conversion_id) == col(Conversion.id))
        .join(Membership, col(Membership.id) == col(FraudCase.membership_id))
        .join(Person, col(Person.id) == col(Membership.person_id))
        .where(col(FraudCase.id).in_([each.id for each in cases]))
    )
    found = {key: (order, member, person) for order, key, member, person in session().exec(wanted)}
    return [Row(each, *found[each.id]) for each in cases]


def shown(case: FraudCase, actor: Actor) -> Shown:
    """The page of a case for somebody who may see it."""
    row = rows([case])[0]
    order = row.conversion
    candidates = narrowed([order], candidates_of([order.id]), actor.units_for(SEE))[order.id].candidates
    codes = select(Link.id, Link.code).where(col(Link.id).in_([each.link_id for each in candidates]))
    earned = [each for each in rewards_of_conversion(order.id) if each.membership_id == case.membership_id]
    return Shown(
        row=row,
        candidates=candidates,
        codes=dict(session().exec(codes).all()),
        refunds=refunds_of(order.id),
        rewards=earned,
        record=_record(case),
        similar=_similar(case, actor),
        decided_by=get_person(case.decided_by).name if case.decided_by else "",
    )


def _record(case: FraudCase) -> Record:
    sale = case_of((col(Conversion.kind) == "sale", 1), else_=0)
    back = case_of((col(Conversion.refunded_minor) > 0, 1), else_=0)
    summed = select_columns(func.count(), func.sum(sale), func.sum(back)).where(
        col(Conversion.membership_id) == case.membership_id,
        col(Conversion.occurred_at) > now() - LOOKED_BACK,
    )
    numbers = [int(each or 0) for each in session().execute(summed).one()]
    others = (
        select_columns(col(FraudCase.state), func.count())
        .where(col(FraudCase.membership_id) == case.membership_id, col(FraudCase.id) != case.id)
        .group_by(col(FraudCase.state))
    )
    ended = {"noted": 0, "open": 0, "cleared": 0, "confirmed": 0}
    ended |= {state: int(number) for state, number in session().execute(others)}
    return Record(*numbers, **ended)


def _similar(case: FraudCase, actor: Actor) -> list[tuple[Row, str]]:
    """Cases that share a trace with this one, then others of its advocate, of the units that the actor sees."""
    mine = select(FraudTrace).where(FraudTrace.conversion_id == case.conversion_id)
    found: dict[str, tuple[FraudCase, str]] = {}
    for trace in session().exec(mine).all():
        same = select(FraudTrace.conversion_id).where(
            FraudTrace.kind == trace.kind, FraudTrace.value == trace.value
        )
        for each in _visible(case, actor, col(FraudCase.conversion_id).in_(same)):
            found.setdefault(each.id, (each, trace.kind))
    for each in _visible(case, actor, col(FraudCase.membership_id) == case.membership_id):
        found.setdefault(each.id, (each, "advocate"))
    some = list(found.values())[:MOST_SIMILAR]
    return list(zip(rows([each for each, _word in some]), [word for _case, word in some], strict=True))


def _visible(case: FraudCase, actor: Actor, which: object) -> Sequence[FraudCase]:
    wanted = select(FraudCase).where(
        which,  # type: ignore[arg-type]  # a condition
        FraudCase.id != case.id,
        col(FraudCase.unit_id).in_(actor.units_for(SEE)),
    )
    return session().exec(wanted.order_by(col(FraudCase.id).desc()).limit(MOST_SIMILAR)).all()
