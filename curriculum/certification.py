"""Awards: that somebody was certified, from when until when; facts that are never changed, only revoked by another."""

import secrets
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Select, Text, literal, union_all
from sqlalchemy import select as select_columns
from sqlmodel import Field, SQLModel, col, select

from advocates.membership import get_membership, months_later
from core import audit, events, mail
from core.access import RULE, Actor
from core.clock import day_number, now
from core.columns import key, moment, one_of, word
from core.db import session
from core.errors import Conflict, NotFound
from core.immutable import never_changed
from core.people import get_person
from curriculum.enrolment import Enrolment
from curriculum.releases import content_of, get_release
from hub import metrics
from hub.metrics import Gain
from hub.programmes import get_programme

Reason = Literal["mistake", "misconduct", "asked_for", "other"]
Status = Literal["valid", "expired", "revoked"]
TEMPLATE_VERSION = 1
"""of the printed certificate"""
VERIFY_ID_BYTES = 24  # 192 random bits


class Award(SQLModel, table=True):
    """A certification that was earned, with everything that is printed; never changed."""

    __tablename__ = "award"

    id: str = key()
    enrolment_id: str = Field(foreign_key="enrolment.id", unique=True, sa_type=Text)
    membership_id: str = Field(foreign_key="membership.id", index=True, sa_type=Text)
    person_id: str = Field(foreign_key="person.id", index=True, sa_type=Text)
    unit_id: str = Field(foreign_key="unit.id", index=True, sa_type=Text)
    certification_id: str = Field(foreign_key="certification.id", index=True, sa_type=Text)
    certification_slug: str = Field(sa_type=Text)
    release_id: str = Field(foreign_key="certification_release.id", sa_type=Text)
    release_number: int
    release_sha256: str = Field(sa_type=Text)
    verify_id: str = Field(unique=True, sa_type=Text)
    """what the public address ends in: 192 random bits, nothing to enumerate"""
    name_as_printed: str = Field(sa_type=Text)
    title_as_printed: str = Field(sa_type=Text)
    programme_as_printed: str = Field(sa_type=Text)
    score: str = Field(sa_type=Text)
    """percent, as the exact decimal"""
    template_version: int = TEMPLATE_VERSION
    awarded_at: datetime = moment(now)
    day: int
    """YYYYMMDD of awarded_at, UTC, for the scoreboard"""
    valid_from: datetime = moment()
    valid_until: datetime = moment(index=True)
    """the last moment of its last day, UTC"""


class Revocation(SQLModel, table=True):
    """That an award no longer counts, since when and why; never changed."""

    __tablename__ = "award_revocation"
    __table_args__ = (one_of("reason", get_args(Reason)),)

    award_id: str = Field(foreign_key="award.id", primary_key=True, sa_type=Text)
    revoked_at: datetime = moment(now)
    day: int
    reason: Reason = word()
    """public"""
    note: str = Field(default="", sa_type=Text)
    """for staff only"""
    by: str = Field(sa_type=Text)


class Certificate(SQLModel, table=True):
    """The printed certificate of an award: first wanted, then claimed by a job, then there."""

    __tablename__ = "certificate"

    award_id: str = Field(foreign_key="award.id", primary_key=True, sa_type=Text)
    claimed_until: datetime | None = moment(optional=True)
    file_id: str | None = Field(default=None, foreign_key="stored_file.id", index=True, sa_type=Text)


never_changed(Award)
never_changed(Revocation)


@dataclass(frozen=True)
class CertificationAwarded:
    """Somebody was certified."""

    award_id: str
    enrolment_id: str
    membership_id: str
    person_id: str
    certification_slug: str
    occurred_at: datetime


@dataclass(frozen=True)
class CertificationRevoked:
    """An award no longer counts."""

    award_id: str
    occurred_at: datetime


class NoSuchAward(NotFound):
    """There is no such certificate."""


class AlreadyRevoked(Conflict):
    """This award was revoked before."""


def award(enrolment: Enrolment, score: Decimal) -> Award:
    """Certify who completed an enrolment, with a score in percent; again: the award there is.

    A renewal before the end adds to the old validity instead of cutting it short. The caller holds the enrolment's
    lock, so two last quizzes at once make one award.
    """
    known = session().exec(select(Award).where(Award.enrolment_id == enrolment.id)).first()
    if known is not None:
        return known
    made = _row(enrolment, score)
    session().add(made)
    enrolment.completed_at = made.awarded_at
    session().add(enrolment)
    session().flush()
    session().add(Certificate(award_id=made.id))
    session().flush()
    _tell(made)
    return made


def _row(enrolment: Enrolment, score: Decimal) -> Award:
    release = get_release(enrolment.release_id)
    facts = content_of(release).certification
    held = current_award(enrolment.person_id, facts.slug, now(), membership_id=enrolment.membership_id)
    return Award(
        enrolment_id=enrolment.id,
        membership_id=enrolment.membership_id,
        person_id=enrolment.person_id,
        unit_id=enrolment.unit_id,
        certification_id=release.certification_id,
        certification_slug=facts.slug,
        release_id=release.id,
        release_number=release.number,
        release_sha256=release.sha256,
        verify_id=secrets.token_urlsafe(VERIFY_ID_BYTES),
        name_as_printed=get_person(enrolment.person_id).name,
        title_as_printed=facts.title,
        programme_as_printed=get_programme(get_membership(enrolment.membership_id).programme_id).name,
        score=format(score, "f"),
        awarded_at=now(),
        day=day_number(now()),
        valid_from=now(),
        valid_until=end_of_validity(held.valid_until if held else now(), facts.validity_months),
    )


def end_of_validity(begins: datetime, months: int) -> datetime:
    """The last moment (UTC) of the day so many months later: 29 February + 12 months ends with 28 February."""
    last = months_later(begins.astimezone(UTC), months).date()
    return datetime.combine(last, time.max, UTC)


def _tell(made: Award) -> None:
    metrics.add([Gain("certifications", made.membership_id, made.unit_id, made.day, 1)])
    facts = {"certification": made.certification_slug, "release": made.release_number, "score": made.score}
    audit.record(RULE, "certification.awarded", "award", made.id, unit_id=made.unit_id, details=facts)
    person = get_person(made.person_id)
    mail.leave(
        "certified",
        made.id,
        "awarded",
        to=person.email,
        name=made.name_as_printed,
        title=made.title_as_printed,
        verify_path=f"/verify/{made.verify_id}",
        until=spoken_day(made.valid_until.date()),
    )
    events.publish(
        CertificationAwarded(
            award_id=made.id,
            enrolment_id=made.enrolment_id,
            membership_id=made.membership_id,
            person_id=made.person_id,
            certification_slug=made.certification_slug,
            occurred_at=made.awarded_at,
        )
    )


def spoken_day(day: date) -> str:
    """`2 November 2026`, as in print and mail."""
    return f"{day.day} {day:%B %Y}"


def certified_at(person_id: str, certification_slug: str, at: datetime) -> bool:
    """Whether somebody held a certification at a moment: awarded, in its dates, not revoked by then."""
    return current_award(person_id, certification_slug, at) is not None


def current_award(
    person_id: str, certification_slug: str, at: datetime, *, membership_id: str | None = None
) -> Award | None:
    """The award that somebody held at a moment (in one membership, if named); of several the one that lasts longest."""
    revoked = select(Revocation.award_id).where(
        Revocation.award_id == col(Award.id), col(Revocation.revoked_at) <= at
    )
    held = select(Award).where(
        Award.person_id == person_id,
        Award.certification_slug == certification_slug,
        col(Award.valid_from) <= at,
        col(Award.valid_until) >= at,
        ~revoked.exists(),
    )
    if membership_id is not None:
        held = held.where(Award.membership_id == membership_id)
    return session().exec(held.order_by(col(Award.valid_until).desc()).limit(1)).first()


def revoke(award: Award, reason: Reason, *, by: Actor, note: str = "") -> Revocation:
    """End an award now, with a public reason and a note for staff; raises AlreadyRevoked. The award stays on record."""
    if revocation_of(award.id) is not None:
        raise AlreadyRevoked
    at = now()
    made = Revocation(
        award_id=award.id, revoked_at=at, day=day_number(at), reason=reason, note=note, by=by.id
    )
    session().add(made)
    session().flush()  # two at once: the second meets the primary key and is told
    metrics.add([Gain("certifications", award.membership_id, award.unit_id, made.day, -1)])
    facts = {"reason": reason, "note": note}
    audit.record(by, "certification.revoked", "award", award.id, unit_id=award.unit_id, details=facts)
    events.publish(CertificationRevoked(award.id, at))
    return made


def revocation_of(award_id: str) -> Revocation | None:
    """The revocation of an award, if there is one."""
    return session().get(Revocation, award_id)


def status_of(award: Award, at: datetime) -> Status:
    """What an award is worth at a moment."""
    revocation = revocation_of(award.id)
    if revocation is not None and revocation.revoked_at <= at:
        return "revoked"
    return "valid" if at <= award.valid_until else "expired"


def get_award(award_id: str) -> Award:
    """The award with this id; raises NoSuchAward."""
    found = session().get(Award, award_id)
    if found is None:
        raise NoSuchAward
    return found


def award_of(enrolment_id: str) -> Award | None:
    """The award that an enrolment led to."""
    return session().exec(select(Award).where(Award.enrolment_id == enrolment_id)).first()


def latest_award(membership_id: str, certification_slug: str) -> Award | None:
    """The newest award of a membership in a certification, whatever it is worth now."""
    held = select(Award).where(
        Award.membership_id == membership_id, Award.certification_slug == certification_slug
    )
    return session().exec(held.order_by(col(Award.awarded_at).desc()).limit(1)).first()


def verified(verify_id: str) -> Award:
    """The award behind a public address; raises NoSuchAward."""
    found = session().exec(select(Award).where(Award.verify_id == verify_id)).first()
    if found is None:
        raise NoSuchAward
    return found


def facts() -> Select[Any]:
    """The scoreboard's facts: one for each award on its day, one back for each revocation on its own."""
    metric: ColumnElement[str] = literal("certifications", Text).label("metric")
    whose: list[ColumnElement[str]] = [
        col(Award.membership_id).label("member_id"),
        col(Award.unit_id).label("unit_id"),
    ]
    earned = select_columns(metric, *whose, col(Award.day).label("day"), literal(1).label("value"))
    lost = select_columns(metric, *whose, col(Revocation.day).label("day"), literal(-1).label("value"))
    both = union_all(earned, lost.where(col(Revocation.award_id) == col(Award.id))).subquery()
    return select_columns(both)
