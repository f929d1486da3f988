"""Whose links and conversions are, for lists of staff: named within their units, and found by name."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement
from sqlmodel import col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from advocates.membership import Membership
from core.db import session
from core.people import Person


def owners_of(ids: Iterable[str | None], units: frozenset[str]) -> dict[str, tuple[Membership, Person]]:
    """Membership → the member and the person, of these units only: others stay unnamed."""
    wanted = select(Membership, Person).where(
        Membership.person_id == Person.id,
        col(Membership.id).in_([each for each in ids if each]),
        col(Membership.unit_id).in_(units),
    )
    return {member.id: (member, person) for member, person in session().exec(wanted)}


def members_named(words: str) -> SelectOfScalar[str]:
    """The memberships of people whose name has these words."""
    return select(Membership.id).where(Membership.person_id == Person.id, has(col(Person.name), words))


def has(column: Any, words: str) -> ColumnElement[bool]:  # noqa: ANN401 - a text column
    """That a text has these words, in upper or lower case."""
    contains: ColumnElement[bool] = func.lower(column).contains(words.lower(), autoescape=True)
    return contains
