"""The links of some units as a list: search and filters, and the whole of it as a file that can be imported again."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import Field
from sqlalchemy import ColumnElement, or_
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from advocates.membership import Membership
from core.clock import now
from core.db import session
from core.errors import Invalid
from core.inputs import Input
from core.people import Person
from core.spreadsheets import Cell, as_csv
from hub.programmes import Programme
from referrals.answers import brought_by
from referrals.links import link_dates
from referrals.links.links import Link, address_of
from referrals.links.owners import has, members_named

MOST = 50_000
CHUNK = 1_000
HEADER = (
    *("code", "advocate", "destination", "campaign", "coupon", "starts", "ends"),
    *("name", "programme", "address", "state", "clicks", "leads", "sales"),
)
"""the first seven are the columns of an import"""


class LinksQuery(Input):
    """Which links to show."""

    q: str = Field(default="", max_length=200)
    programme: str = Field(default="", max_length=100)
    state: Literal["", "runs", "waits", "ended"] = ""
    after: str | None = Field(default=None, max_length=1_000)


class TooManyForAFile(Invalid):
    """A file holds up to 50,000 links. Narrow the list by programme, state or search."""


def wanted_by(query: LinksQuery, units: frozenset[str]) -> SelectOfScalar[Link]:
    """The links of these units that the query asks for."""
    return select(Link).where(col(Link.unit_id).in_(units), *_asked(query))


def as_file(query: LinksQuery, units: frozenset[str]) -> tuple[int, bytes]:
    """How many links the query asks for, and all of them as CSV, the newest first; raises TooManyForAFile."""
    found = session().exec(wanted_by(query, units).order_by(col(Link.id).desc()).limit(MOST + 1)).all()
    if len(found) > MOST:
        raise TooManyForAFile
    return len(found), as_csv(HEADER, _rows(found))


def state_of(link: Link) -> str:
    """`runs`, `waits` (for its first day) or `ended`."""
    at = now()
    return "ended" if link.ended_at(at) else "runs" if link.runs_at(at) else "waits"


def _asked(query: LinksQuery) -> list[ColumnElement[bool]]:
    asked: list[Any] = []
    if query.q:
        texts = (col(Link.code), col(Link.campaign), col(Link.coupon))
        owned = col(Link.membership_id).in_(members_named(query.q))
        asked.append(or_(*(has(each, query.q) for each in texts), owned))
    if query.programme:
        asked.append(col(Link.programme_id) == query.programme)
    if query.state:
        asked.append(_in_state(query.state))
    return asked


def _in_state(state: str) -> ColumnElement[bool]:
    at = now()
    ended, waits = col(Link.ends_at) <= at, col(Link.starts_at) > at
    live = or_(col(Link.ends_at).is_(None), ~ended)
    return ended if state == "ended" else live & (waits if state == "waits" else ~waits)


def _rows(found: Sequence[Link]) -> Iterator[list[Cell]]:
    programmes = {each.id: each for each in session().exec(select(Programme))}
    for start in range(0, len(found), CHUNK):
        some = found[start : start + CHUNK]
        owners = _owners([each.membership_id for each in some])
        brought = brought_by([each.id for each in some])
        for link in some:
            programme, (number, name) = programmes[link.programme_id], owners[link.membership_id]
            ends = link_dates.last_day(link.ends_at, programme.zone)
            yield [
                *(link.code, number, link.destination, link.campaign, link.coupon or ""),
                link_dates.first_day(link.starts_at, programme.zone).isoformat(),
                ends.isoformat() if ends else "",
                *(name, programme.slug, address_of(link), state_of(link)),
                *(brought[link.id].clicks, brought[link.id].leads, brought[link.id].sales),
            ]


def _owners(ids: Sequence[str]) -> dict[str, tuple[int, str]]:
    wanted = select(Membership.id, Membership.number, Person.name).where(
        Membership.person_id == Person.id, col(Membership.id).in_(ids)
    )
    return {key: (number, name) for key, number, name in session().exec(wanted)}
