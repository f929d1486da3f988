"""The action list: what waits for whom, since when, until when. It disappears by being done."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Index, Text, func, update
from sqlmodel import Field, SQLModel, col, or_, select

from core.access import Actor
from core.clock import now
from core.columns import key, moment
from core.db import run, session
from core.paging import Page, page_of


class Action(SQLModel, table=True):
    """One thing that waits: for whoever holds `right` in its unit, or for one person."""

    __tablename__ = "action"

    id: str = key()
    kind: str = Field(index=True, sa_type=Text)
    """what has to be done: application.review, reward.approve …"""
    subject_id: str = Field(index=True, sa_type=Text)
    unit_id: str = Field(sa_type=Text)
    right: str = Field(sa_type=Text)
    person_id: str | None = Field(default=None, index=True, sa_type=Text)
    summary: str = Field(sa_type=Text)
    opened_at: datetime = moment(now)
    due_at: datetime = moment(index=True)
    done_at: datetime | None = moment(optional=True)
    done_by: str | None = Field(default=None, sa_type=Text)


Index(
    "uq_action_open",
    Action.kind,
    Action.subject_id,
    unique=True,
    sqlite_where=col(Action.done_at).is_(None),
    postgresql_where=col(Action.done_at).is_(None),
)


def ask(
    kind: str,
    subject_id: str,
    unit_id: str,
    *,
    right: str,
    summary: str,
    due_at: datetime,
    person_id: str | None = None,
) -> None:
    """Put something on the list; asking again while it is open changes nothing."""
    waiting = select(Action.id).where(
        Action.kind == kind, Action.subject_id == subject_id, col(Action.done_at).is_(None)
    )
    if session().exec(waiting).first() is not None:
        return
    session().add(
        Action(
            kind=kind,
            subject_id=subject_id,
            unit_id=unit_id,
            right=right,
            summary=summary,
            due_at=due_at,
            person_id=person_id,
            opened_at=now(),
        )
    )
    session().flush()


def done(kind: str, subject_id: str, *, by: Actor) -> None:
    """Take something off the list; harmless when it is not on it."""
    finish(kind, [subject_id], by=by)


def finish(kind: str, subject_ids: list[str], *, by: Actor) -> None:
    """Take many things of a kind off the list."""
    waiting = update(Action).where(
        col(Action.kind) == kind, col(Action.subject_id).in_(subject_ids), col(Action.done_at).is_(None)
    )
    run(waiting.values(done_at=now(), done_by=by.id))


def _waiting_for(actor: Actor) -> Any:  # noqa: ANN401 - a SELECT's condition
    reachable = [
        (col(Action.right) == right) & col(Action.unit_id).in_(units)
        for right, units in actor.rights.items()
        if units
    ]
    mine = or_(col(Action.person_id).is_(None), col(Action.person_id) == actor.id)
    return col(Action.done_at).is_(None) & mine & or_(*reachable, col(Action.person_id) == actor.id)


def waiting_for(
    actor: Actor, *, kind: str | None = None, after: str | None = None, limit: int = 50
) -> Page[Action]:
    """What waits for the actor, the most urgent first."""
    wanted = select(Action).where(_waiting_for(actor))
    if kind is not None:
        wanted = wanted.where(Action.kind == kind)
    order = ((col(Action.due_at), "due_at"), (col(Action.id), "id"))
    return page_of(wanted, *order, after=after, limit=limit, descending=False)


def counts_for(actor: Actor) -> dict[str, int]:
    """How many things of each kind wait for the actor."""
    total = select(col(Action.kind), func.count()).where(_waiting_for(actor)).group_by(col(Action.kind))
    return {kind: int(number) for kind, number in session().exec(total).all()}


def due_in(days: float) -> datetime:
    """The moment so many days from now."""
    return now() + timedelta(days=days)
