"""Applications as rows, and the only way from one state to another: each change dated, with its actor and reason."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import JSON, Index, Text, update
from sqlmodel import Field, SQLModel, col, select

from core import audit
from core.access import Actor
from core.clock import now
from core.columns import key, moment, one_of, word
from core.db import session, update_one
from core.errors import Conflict, NotFound
from core.events import publish

State = Literal[
    "nominated", "draft", "submitted", "needs_info", "in_review", "accepted", "declined", "waitlisted", "withdrawn",
]  # fmt: skip
STATES: tuple[State, ...] = get_args(State)
NEXT: dict[State, frozenset[State]] = {
    "nominated": frozenset({"draft", "withdrawn"}),
    "draft": frozenset({"submitted", "withdrawn"}),
    "submitted": frozenset({"needs_info", "in_review", "accepted", "declined", "waitlisted", "withdrawn"}),
    "needs_info": frozenset({"in_review", "accepted", "declined", "waitlisted", "withdrawn"}),
    "in_review": frozenset({"needs_info", "accepted", "declined", "waitlisted", "withdrawn"}),
    "waitlisted": frozenset({"in_review", "accepted", "declined", "withdrawn"}),
    "accepted": frozenset(),
    "declined": frozenset(),
    "withdrawn": frozenset(),
}
OPEN: tuple[State, ...] = tuple(state for state in STATES if NEXT[state])


class Application(SQLModel, table=True):
    """Somebody who wants to be an advocate in a programme: what they sent, and where it stands."""

    __tablename__ = "application"
    __table_args__ = (one_of("state", STATES),)

    id: str = key()
    programme_id: str = Field(foreign_key="programme.id", index=True, sa_type=Text)
    unit_id: str = Field(foreign_key="unit.id", sa_type=Text)
    email: str = Field(sa_type=Text)
    """lower case"""
    name: str = Field(sa_type=Text)
    why: str = Field(sa_type=Text)
    channels: list[str] = Field(sa_type=JSON)
    """where they speak: web addresses"""
    minimum_age: int
    """what they attested: to be at least so old"""
    consent_text: str = Field(sa_type=Text)
    """the privacy words they agreed to, as shown then"""
    consent_at: datetime = moment()
    state: State = word("submitted")
    submitted_at: datetime = moment(now)
    decide_by: datetime = moment()
    """the public date by which there is an answer"""
    person_id: str | None = Field(default=None, foreign_key="person.id", index=True, sa_type=Text)
    """who was signed in when it was sent, if anybody"""
    membership_id: str | None = Field(default=None, foreign_key="membership.id", index=True, sa_type=Text)
    """what came of it"""


_is_open = col(Application.state).in_(OPEN)
Index(
    "uq_application_open",
    Application.programme_id,
    Application.email,
    unique=True,
    sqlite_where=_is_open,
    postgresql_where=_is_open,
)
Index("ix_application_queue", Application.unit_id, Application.state, col(Application.submitted_at))


class ApplicationChange(SQLModel, table=True):
    """One change of state; never edited."""

    __tablename__ = "application_change"

    id: str = key()
    application_id: str = Field(foreign_key="application.id", index=True, sa_type=Text)
    from_state: str = Field(default="", sa_type=Text)
    to_state: str = Field(sa_type=Text)
    at: datetime = moment(now)
    actor_kind: str = Field(sa_type=Text)
    actor_id: str = Field(sa_type=Text)
    actor_name: str = Field(sa_type=Text)
    reason: str = Field(default="", sa_type=Text)
    """what both sides may read"""
    note: str = Field(default="", sa_type=Text)
    """for colleagues only"""


@dataclass(frozen=True)
class ApplicationMoved:
    """An application came into another state, or came in."""

    application_id: str
    change_id: str
    state: State


class ApplicationNotFound(NotFound):
    """There is no such application."""


class IllegalChange(Conflict):
    """This application cannot be changed that way any more."""


def get_application(application_id: str) -> Application:
    """The application with this id; raises ApplicationNotFound."""
    application = session().get(Application, application_id)
    if application is None:
        raise ApplicationNotFound
    return application


def find_open(programme_id: str, email: str) -> Application | None:
    """The application that this address (lower case) has open in a programme."""
    waiting = select(Application).where(
        Application.programme_id == programme_id, Application.email == email, _is_open
    )
    return session().exec(waiting).first()


def history(application_id: str) -> list[ApplicationChange]:
    """Every change of an application, the oldest first."""
    changes = select(ApplicationChange).where(ApplicationChange.application_id == application_id)
    ordered = changes.order_by(col(ApplicationChange.at), col(ApplicationChange.id))
    return list(session().exec(ordered).all())


def move(application: Application, to: State, *, by: Actor, reason: str = "", note: str = "") -> None:
    """Change the state, if that is allowed from where it stands and nobody was quicker; raises IllegalChange."""
    before = application.state
    if to not in NEXT[before]:
        raise IllegalChange(_sentence(before))
    still = update(Application).where(col(Application.id) == application.id, col(Application.state) == before)
    if not update_one(still.values(state=to)):
        raise IllegalChange
    note_change(application, before, to, by=by, reason=reason, note=note)


def note_change(
    application: Application, before: str, to: State, *, by: Actor, reason: str = "", note: str = ""
) -> None:
    """Write a change into the history and the audit log."""
    change = ApplicationChange(
        application_id=application.id,
        from_state=before,
        to_state=to,
        at=now(),
        actor_kind=by.kind,
        actor_id=by.id,
        actor_name=by.name,
        reason=reason,
        note=note,
    )
    session().add(change)
    session().flush()
    facts = {"from": before, "to": to}
    audit.record(
        by, f"application.{to}", "application", application.id, unit_id=application.unit_id, details=facts
    )
    publish(ApplicationMoved(application.id, change.id, to))


def _sentence(state: State) -> str:
    if state in {"accepted", "declined", "withdrawn"}:
        return f"This application was already {state}."
    return "This application cannot be changed that way any more."
