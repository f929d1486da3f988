"""Enrolments: who learns what, on which release, and which lessons they have read."""

from datetime import datetime, timedelta

from sqlalchemy import Index, Text, UniqueConstraint, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, SQLModel, col, select

from advocates.membership import get_membership
from core.clock import now
from core.columns import key, moment
from core.db import run, session
from core.errors import Conflict, NotFound
from curriculum.contents import Curriculum, Lesson, Module
from curriculum.releases import Release, content_of_id, find_certification, newest_of

RENEWAL_DAYS = 60
"""how long before its end a certification may be renewed"""


class Enrolment(SQLModel, table=True):
    """An advocate on the way to one award; the next award takes the next enrolment."""

    __tablename__ = "enrolment"

    id: str = key()
    membership_id: str = Field(foreign_key="membership.id", index=True, sa_type=Text)
    person_id: str = Field(foreign_key="person.id", index=True, sa_type=Text)
    unit_id: str = Field(foreign_key="unit.id", sa_type=Text)
    certification_id: str = Field(foreign_key="certification.id", index=True, sa_type=Text)
    release_id: str = Field(foreign_key="certification_release.id", sa_type=Text)
    """what is taught and asked here, whatever is published later"""
    enrolled_at: datetime = moment(now)
    completed_at: datetime | None = moment(optional=True)
    extra_minutes: int = 0
    """added to every time limit, for somebody who needs longer"""
    revision: int = 0
    """touched to lock the row"""


Index(
    "uq_enrolment_open",
    Enrolment.membership_id,
    Enrolment.certification_id,
    unique=True,
    sqlite_where=col(Enrolment.completed_at).is_(None),
    postgresql_where=col(Enrolment.completed_at).is_(None),
)


class LessonRead(SQLModel, table=True):
    """Somebody was done with a lesson."""

    __tablename__ = "lesson_read"
    __table_args__ = (UniqueConstraint("enrolment_id", "module_slug", "lesson_slug"),)

    id: str = key()
    enrolment_id: str = Field(foreign_key="enrolment.id", sa_type=Text)
    module_slug: str = Field(sa_type=Text)
    lesson_slug: str = Field(sa_type=Text)
    at: datetime = moment(now)


class NothingToLearn(NotFound):
    """This certification is not published yet. Please look again later."""


class NotEnrolled(NotFound):
    """You are not enrolled in this certification."""


class NoSuchModule(NotFound):
    """There is no such module."""


class TooEarlyToRenew(Conflict):
    """A certification can be renewed from 60 days before it ends."""


def enrol(membership_id: str, person_id: str, certification_slug: str) -> Enrolment:
    """Enrol an advocate on the newest release; doing it again answers the enrolment there is. Raises NothingToLearn."""
    record = find_certification(certification_slug)
    if record is None:
        raise NothingToLearn
    return latest(membership_id, record.id) or _begin(membership_id, person_id, record.id)


def _begin(membership_id: str, person_id: str, certification_id: str) -> Enrolment:
    release = newest_of(certification_id)
    if release is None:
        raise NothingToLearn
    enrolment = Enrolment(
        membership_id=membership_id,
        person_id=person_id,
        unit_id=get_membership(membership_id).unit_id,
        certification_id=certification_id,
        release_id=release.id,
        enrolled_at=now(),
    )
    try:
        with session().begin_nested():
            session().add(enrolment)
    except IntegrityError:  # twice at once: the other one was first
        first = latest(membership_id, certification_id)
        if first is None:
            raise
        return first
    return enrolment


def renew(enrolment: Enrolment, valid_until: datetime | None) -> Enrolment:
    """Enrol again for the next award; `valid_until` is the present award's end, None when none is in force.

    An enrolment that is still open is answered as it is. Raises TooEarlyToRenew.
    """
    if enrolment.completed_at is None:
        return enrolment
    if valid_until is not None and valid_until - now() > timedelta(days=RENEWAL_DAYS):
        raise TooEarlyToRenew
    return _begin(enrolment.membership_id, enrolment.person_id, enrolment.certification_id)


def latest(membership_id: str, certification_id: str) -> Enrolment | None:
    """The latest enrolment of a membership in a certification."""
    held = select(Enrolment).where(
        Enrolment.membership_id == membership_id, Enrolment.certification_id == certification_id
    )
    newest_first = held.order_by(col(Enrolment.enrolled_at).desc(), col(Enrolment.id).desc())
    return session().exec(newest_first.limit(1)).first()


def find_enrolment(membership_id: str, certification_slug: str) -> Enrolment | None:
    """The latest enrolment of a membership in the certification with this short name."""
    record = find_certification(certification_slug)
    return None if record is None else latest(membership_id, record.id)


def lock(enrolment: Enrolment) -> None:
    """Hold the enrolment until the transaction ends: whoever else wants it waits, then sees what was done."""
    run(update(Enrolment).where(col(Enrolment.id) == enrolment.id).values(revision=Enrolment.revision + 1))
    session().refresh(enrolment)


def move_along(before: Release, after: Release) -> None:
    """Take everybody who is still learning on one release to the next, after an editorial change."""
    learning = (col(Enrolment.release_id) == before.id) & col(Enrolment.completed_at).is_(None)
    run(update(Enrolment).where(learning).values(release_id=after.id))


def content_for(enrolment: Enrolment) -> Curriculum:
    """What the enrolment's release teaches."""
    return content_of_id(enrolment.release_id)


def get_module(enrolment: Enrolment, module_slug: str) -> Module:
    """A module of the enrolment's release; raises NoSuchModule."""
    for module in content_for(enrolment).modules:
        if module.slug == module_slug:
            return module
    raise NoSuchModule


def get_lesson(enrolment: Enrolment, module_slug: str, lesson_slug: str) -> tuple[Module, Lesson]:
    """A lesson with its module; raises NoSuchModule."""
    module = get_module(enrolment, module_slug)
    for lesson in module.lessons:
        if lesson.slug == lesson_slug:
            return module, lesson
    raise NoSuchModule("There is no such lesson.")


def mark_read(enrolment: Enrolment, module_slug: str, lesson_slug: str) -> None:
    """Note that a lesson was read; again changes nothing. Raises NoSuchModule."""
    get_lesson(enrolment, module_slug, lesson_slug)
    if (module_slug, lesson_slug) in lessons_read(enrolment.id):
        return
    row = LessonRead(enrolment_id=enrolment.id, module_slug=module_slug, lesson_slug=lesson_slug, at=now())
    try:
        with session().begin_nested():
            session().add(row)
    except IntegrityError:  # twice at once: it is noted
        return


def lessons_read(enrolment_id: str) -> set[tuple[str, str]]:
    """(module, lesson) of every lesson that was read, by their short names."""
    read = select(LessonRead.module_slug, LessonRead.lesson_slug)
    return set(session().exec(read.where(LessonRead.enrolment_id == enrolment_id)).all())
