"""The roll: what is told of many advocates, in as many queries as of one."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import func
from sqlalchemy import select as select_columns
from sqlmodel import col, select

from advocates.membership import Membership, Standing, State, Term, public_names
from core.answers import Answer
from core.db import session
from hub.programmes import Programme
from hub.units import Unit


class ShownAdvocate(Answer):
    """An advocate, named only where they agreed to be."""

    id: str
    """in one programme: a person in two programmes is two advocates"""
    membership_number: int
    advocate: str
    """the name where they agreed to be shown by it, else `Advocate #n`"""
    programme: str
    """the programme's short name"""
    unit: str
    """the unit's short name"""
    standing: State
    joined_at: datetime
    term_ends_at: datetime
    """of the latest term"""


def roll(memberships: Sequence[Membership]) -> dict[str, ShownAdvocate]:
    """Membership → what is told of it; five queries, however many there are."""
    ids = [each.id for each in memberships]
    names, standings, ends = public_names(memberships), open_standings(ids), term_ends(ids)
    programmes = dict(session().exec(select(Programme.id, Programme.slug)).all())
    units = dict(session().exec(select(Unit.id, Unit.slug)).all())
    return {
        each.id: ShownAdvocate(
            id=each.id,
            membership_number=each.number,
            advocate=names[each.id],
            programme=programmes[each.programme_id],
            unit=units[each.unit_id],
            standing=standings[each.id],
            joined_at=each.joined_at,
            term_ends_at=ends[each.id],
        )
        for each in memberships
    }


def open_standings(ids: Sequence[str]) -> dict[str, State]:
    """Membership → its present standing."""
    is_open = col(Standing.ended_at).is_(None)
    present = select(Standing.membership_id, Standing.state).where(
        col(Standing.membership_id).in_(ids), is_open
    )
    return dict(cast("Sequence[tuple[str, State]]", session().exec(present).all()))


def term_ends(ids: Sequence[str]) -> dict[str, datetime]:
    """The end of each one's latest term: of the one that began last."""
    last = (
        select_columns(col(Term.membership_id), func.max(col(Term.starts_at)).label("starts_at"))
        .where(col(Term.membership_id).in_(ids))
        .group_by(col(Term.membership_id))
        .subquery()
    )
    ends = select_columns(col(Term.membership_id), col(Term.ends_at)).join(
        last, (col(Term.membership_id) == last.c.membership_id) & (col(Term.starts_at) == last.c.starts_at)
    )
    return {str(key): end for key, end in session().execute(ends)}
