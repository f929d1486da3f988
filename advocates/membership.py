"""Membership: a number for ever, terms with dates, a standing that is dated too."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import BigInteger, Index, Text, UniqueConstraint, update
from sqlmodel import Field, SQLModel, col, or_, select

from core import audit
from core.access import Actor
from core.clock import now
from core.columns import key, moment, one_of, word
from core.counters import next_number
from core.db import session, update_one
from core.errors import Conflict, NotFound
from core.people import Person, get_person
from hub.programmes import Programme

State = Literal["active", "leave", "grace", "alumni", "removed"]
STATES: tuple[State, ...] = get_args(State)
EARNING: frozenset[State] = frozenset({"active", "grace"})


class Membership(SQLModel, table=True):
    """A person's place in a programme."""

    __tablename__ = "membership"
    __table_args__ = (UniqueConstraint("person_id", "programme_id"),)

    id: str = key()
    number: int = Field(unique=True, sa_type=BigInteger)
    """theirs for ever, over all programmes"""
    person_id: str = Field(foreign_key="person.id", sa_type=Text)
    programme_id: str = Field(foreign_key="programme.id", index=True, sa_type=Text)
    unit_id: str = Field(foreign_key="unit.id", index=True, sa_type=Text)
    joined_at: datetime = moment(now)
    shown_by_name: bool = False
    """agreed to be on leaderboards by name"""


class Term(SQLModel, table=True):
    """From when until when a membership runs; half-open."""

    __tablename__ = "term"

    id: str = key()
    membership_id: str = Field(foreign_key="membership.id", index=True, sa_type=Text)
    starts_at: datetime = moment()
    ends_at: datetime = moment()


class Standing(SQLModel, table=True):
    """What state a membership was in from when until when; the open one is the present."""

    __tablename__ = "standing"
    __table_args__ = (one_of("state", STATES),)

    id: str = key()
    membership_id: str = Field(foreign_key="membership.id", index=True, sa_type=Text)
    state: State = word()
    began_at: datetime = moment(now)
    ended_at: datetime | None = moment(optional=True)
    reason: str = Field(default="", sa_type=Text)


Index(
    "uq_standing_open",
    Standing.membership_id,
    unique=True,
    sqlite_where=col(Standing.ended_at).is_(None),
    postgresql_where=col(Standing.ended_at).is_(None),
)


class StandingChanged(Conflict):
    """Somebody changed this a moment ago. Please look again."""


class MembershipNotFound(NotFound):
    """There is no such advocate."""


class AlreadyMember(Conflict):
    """This person is already an advocate in this programme."""


def welcome(person: Person, programme: Programme, *, by: Actor) -> Membership:
    """Make a person an advocate: a number, a first term from now, active. Raises AlreadyMember."""
    if find_membership(person.id, programme.id) is not None:
        raise AlreadyMember
    membership = Membership(
        number=next_number("membership"),
        person_id=person.id,
        programme_id=programme.id,
        unit_id=programme.unit_id,
        joined_at=now(),
    )
    session().add(membership)
    session().flush()
    begin, end = now(), months_later(now(), programme.term_months)
    session().add(Term(membership_id=membership.id, starts_at=begin, ends_at=end))
    session().add(Standing(membership_id=membership.id, state="active", began_at=begin))
    session().flush()
    audit.record(by, "advocate.welcomed", "membership", membership.id, unit_id=membership.unit_id)
    return membership


def months_later(moment: datetime, months: int) -> datetime:
    """The same day some months later, or that month's last day (29 February + 12 months is 28 February)."""
    total = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(total, 12)
    for day in range(moment.day, 27, -1):
        try:
            return moment.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    return moment.replace(year=year, month=month + 1)


def change_standing(membership: Membership, state: State, *, by: Actor, reason: str) -> None:
    """End the present standing and begin another; the same state again changes nothing."""
    present = current_standing(membership.id)
    if present.state == state:
        return
    still = update(Standing).where(col(Standing.id) == present.id, col(Standing.ended_at).is_(None))
    if not update_one(still.values(ended_at=now())):
        raise StandingChanged
    session().add(Standing(membership_id=membership.id, state=state, began_at=now(), reason=reason))
    session().flush()
    facts = {"from": present.state, "to": state, "reason": reason}
    audit.record(
        by, "advocate.standing", "membership", membership.id, unit_id=membership.unit_id, details=facts
    )


def current_standing(membership_id: str) -> Standing:
    """The open standing of a membership."""
    is_open = col(Standing.ended_at).is_(None)
    return session().exec(select(Standing).where(Standing.membership_id == membership_id, is_open)).one()


def current_term(membership_id: str) -> Term:
    """The latest term of a membership."""
    terms = select(Term).where(Term.membership_id == membership_id).order_by(col(Term.starts_at).desc())
    return session().exec(terms.limit(1)).one()


def active_at(membership_id: str, at: datetime) -> bool:
    """Whether the membership was in term and in good standing at a moment."""
    in_term = select(Term.id).where(
        Term.membership_id == membership_id, Term.starts_at <= at, Term.ends_at > at
    )
    good = select(Standing.id).where(
        Standing.membership_id == membership_id,
        col(Standing.state).in_(EARNING),
        Standing.began_at <= at,
        or_(col(Standing.ended_at).is_(None), col(Standing.ended_at) > at),
    )
    return session().exec(in_term).first() is not None and session().exec(good).first() is not None


def find_membership(person_id: str, programme_id: str) -> Membership | None:
    """A person's membership in a programme, if there is one."""
    held = select(Membership).where(
        Membership.person_id == person_id, Membership.programme_id == programme_id
    )
    return session().exec(held).first()


def get_membership(membership_id: str) -> Membership:
    """The membership with this id; raises MembershipNotFound."""
    membership = session().get(Membership, membership_id)
    if membership is None:
        raise MembershipNotFound
    return membership


def memberships_of(person_id: str) -> list[Membership]:
    """All memberships of a person, the oldest first."""
    held = select(Membership).where(Membership.person_id == person_id).order_by(col(Membership.number))
    return list(session().exec(held).all())


def public_name(membership: Membership) -> str:
    """The name where they agreed to be shown by it, else `Advocate #n`."""
    return (
        get_person(membership.person_id).name
        if membership.shown_by_name
        else f"Advocate #{membership.number}"
    )


def public_names(memberships: Sequence[Membership]) -> dict[str, str]:
    """Membership → its public name, all of them in one query."""
    named = [each.person_id for each in memberships if each.shown_by_name]
    people = select(Person.id, Person.name).where(col(Person.id).in_(named))
    names = dict(session().exec(people).all()) if named else {}
    return {each.id: names.get(each.person_id, f"Advocate #{each.number}") for each in memberships}
