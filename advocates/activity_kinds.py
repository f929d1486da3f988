"""Kinds of activities: what advocates of a programme may hand in beside what their links bring."""

from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import Text, UniqueConstraint
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, SQLModel, col, select

from core import audit
from core.access import Actor
from core.clock import now
from core.columns import key, moment, one_of, word
from core.db import session
from core.errors import Conflict, NotFound
from hub.programmes import Programme

CountsAs = Literal["activity", "answer"]
"""answer: a question that somebody asked was answered; reward rules know the two apart"""


class ActivityKind(SQLModel, table=True):
    """Something that advocates do, as a programme calls it; one that ended takes nothing new."""

    __tablename__ = "activity_kind"
    __table_args__ = (UniqueConstraint("programme_id", "name"), one_of("counts_as", get_args(CountsAs)))

    id: str = key()
    programme_id: str = Field(foreign_key="programme.id", sa_type=Text)
    name: str = Field(sa_type=Text)
    counts_as: CountsAs = word("activity")
    made_at: datetime = moment(now)
    ended_at: datetime | None = moment(optional=True)


class KindNotFound(NotFound):
    """There is no such kind of activity here."""


class NameTaken(Conflict):
    """This programme has a kind of activity with this name already."""


def define(programme: Programme, name: str, counts_as: CountsAs, *, by: Actor) -> ActivityKind:
    """Let advocates hand in another kind of thing. Raises NameTaken."""
    kind = ActivityKind(programme_id=programme.id, name=name, counts_as=counts_as, made_at=now())
    try:
        with session().begin_nested():
            session().add(kind)
    except IntegrityError as error:
        raise NameTaken from error
    said = {"name": name, "counts_as": counts_as}
    unit = programme.unit_id
    audit.record(by, "activity_kind.defined", "activity_kind", kind.id, unit_id=unit, details=said)
    return kind


def end(kind: ActivityKind, programme: Programme, *, by: Actor) -> None:
    """Nothing new of this kind is taken; what was handed in stays. Again: nothing."""
    if kind.ended_at is not None:
        return
    kind.ended_at = now()
    session().add(kind)
    session().flush()
    audit.record(by, "activity_kind.ended", "activity_kind", kind.id, unit_id=programme.unit_id)


def kinds_of(programme_id: str) -> list[ActivityKind]:
    """What can be handed in, by name."""
    mine = select(ActivityKind).where(
        ActivityKind.programme_id == programme_id, col(ActivityKind.ended_at).is_(None)
    )
    return list(session().exec(mine.order_by(col(ActivityKind.name))).all())


def get_kind(kind_id: str, programme_id: str) -> ActivityKind:
    """The kind with this id that a programme takes now; raises KindNotFound."""
    kind = session().get(ActivityKind, kind_id)
    if kind is None or kind.programme_id != programme_id or kind.ended_at is not None:
        raise KindNotFound
    return kind
