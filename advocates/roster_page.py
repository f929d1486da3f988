"""What the console's list of advocates shows beside each: read for a whole page at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import Field
from sqlalchemy import ColumnElement, func
from sqlmodel import col, select

from advocates.membership import Membership, Standing, State
from advocates.roll import open_standings, term_ends
from core.access import Actor
from core.clock import now
from core.db import session
from core.inputs import Input
from core.paging import Page, page_of
from core.people import Person
from curriculum.certification import Award, Revocation
from hub.metrics import LadderStep
from hub.programmes import Programme


class RosterQuery(Input):
    """Which advocates: search, filters, sort, page."""

    q: str = Field(default="", max_length=200)
    programme: str = Field(default="", max_length=200)
    state: State | None = None
    sort: Literal["number", "-number", "joined", "-joined"] = "number"
    after: str | None = Field(default=None, max_length=1_000)


@dataclass(frozen=True)
class RosterRow:
    """One advocate in the list."""

    membership: Membership
    person: Person
    programme: Programme
    standing: str
    certified: bool
    term_ends_at: datetime
    clicks: int
    sales: int


def roster(actor: Actor, query: RosterQuery) -> tuple[Page[Membership], list[RosterRow]]:
    """A page of the advocates that the actor sees, and what stands beside them."""
    wanted = select(Membership).where(col(Membership.unit_id).in_(actor.units_for("advocate.see")))
    if query.q:
        person = select(Person.id).where(_named_like(query.q))
        number = query.q.removeprefix("#")
        by_number = col(Membership.number) == int(number) if _is_number(number) else None
        by_person = col(Membership.person_id).in_(person)
        wanted = wanted.where(by_person if by_number is None else by_person | by_number)
    if query.programme:
        programme = select(Programme.id).where(Programme.slug == query.programme)
        wanted = wanted.where(col(Membership.programme_id).in_(programme))
    if query.state is not None:
        here = select(Standing.membership_id).where(
            Standing.state == query.state, col(Standing.ended_at).is_(None)
        )
        wanted = wanted.where(col(Membership.id).in_(here))
    number_order, joined = (col(Membership.number), "number"), (col(Membership.joined_at), "joined_at")
    order = (number_order,) if query.sort.endswith("number") else (joined, number_order)
    page = page_of(wanted, *order, after=query.after, descending=query.sort.startswith("-"))
    return page, _rows(page.items)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18  # noqa: PLR2004 - what 64 bits hold


def _named_like(words: str) -> ColumnElement[bool]:
    words = words.lower()
    return func.lower(Person.name).contains(words, autoescape=True) | col(Person.email).contains(
        words, autoescape=True
    )


def _rows(members: Sequence[Membership]) -> list[RosterRow]:
    ids = [each.id for each in members]
    people = {
        p.id: p
        for p in session().exec(select(Person).where(col(Person.id).in_([m.person_id for m in members])))
    }
    programmes = {p.id: p for p in session().exec(select(Programme))}
    standings = open_standings(ids)
    ends = term_ends(ids)
    certified = _certified([each.person_id for each in members])
    clicks, sales = _ladder("clicks", ids), _ladder("sales", ids)
    return [
        RosterRow(
            membership=each,
            person=people[each.person_id],
            programme=programmes[each.programme_id],
            standing=standings[each.id],
            certified=(each.person_id, programmes[each.programme_id].certification_slug) in certified,
            term_ends_at=ends[each.id],
            clicks=clicks.get(each.id, 0),
            sales=sales.get(each.id, 0),
        )
        for each in members
    ]


def _certified(people: list[str]) -> set[tuple[str, str]]:
    """Who is certified in what now, for a page at once; `certified_at` says the same for one."""
    at = now()
    held = (
        select(Award.person_id, Award.certification_slug)
        .join(Revocation, col(Revocation.award_id) == Award.id, isouter=True)
        .where(
            col(Award.person_id).in_(people),
            Award.valid_from <= at,
            Award.valid_until >= at,
            col(Revocation.award_id).is_(None),
        )
    )
    return set(session().exec(held).all())


def _ladder(metric: str, ids: list[str]) -> dict[str, int]:
    steps = select(LadderStep.member_id, LadderStep.value).where(
        LadderStep.metric == metric, LadderStep.period == "all", col(LadderStep.member_id).in_(ids)
    )
    return dict(session().exec(steps).all())
