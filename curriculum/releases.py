"""Releases: what was published, frozen with its hash; a certification is the line of its releases."""

from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import JSON, Text, UniqueConstraint, update
from sqlmodel import Field, SQLModel, col, select

from core import audit
from core.access import Actor
from core.clock import now
from core.columns import key, moment, one_of, word
from core.db import run, session
from core.errors import Conflict, Invalid, NotFound
from core.immutable import never_changed
from curriculum.contents import Curriculum, curriculum_from, digest, manifest

Kind = Literal["editorial", "material"]


class CertificationRecord(SQLModel, table=True):
    """What can be earned; its content is in its releases."""

    __tablename__ = "certification"

    id: str = key()
    slug: str = Field(unique=True, sa_type=Text)
    title: str = Field(sa_type=Text)
    """as in its newest release"""
    unit_id: str = Field(foreign_key="unit.id", index=True, sa_type=Text)
    """whose it is; everybody's programmes may require it"""


class Release(SQLModel, table=True):
    """One published state of a certification; never changed."""

    __tablename__ = "certification_release"
    __table_args__ = (UniqueConstraint("certification_id", "number"), one_of("kind", get_args(Kind)))

    id: str = key()
    certification_id: str = Field(foreign_key="certification.id", sa_type=Text)
    number: int
    manifest: dict[str, Any] = Field(sa_type=JSON)
    sha256: str = Field(sa_type=Text)
    """over the manifest's canonical JSON"""
    kind: Kind = word()
    """editorial: learners move along and awards stand; material: those who began stay on what they began"""
    published_at: datetime = moment(now)


never_changed(Release)


class NoSuchCertification(NotFound):
    """There is no such certification."""


class ReservedName(Invalid):
    """A lesson cannot have the short name “quiz”: that is the address of the module's quiz."""


class OtherUnits(Conflict):
    """Another unit has a certification with this short name. Choose another one."""


def publish(curriculum: Curriculum, *, unit_id: str, by: Actor, kind: Kind = "material") -> Release:
    """Publish a curriculum as the next release; the same content as the newest answers that one.

    The first release is always material. Raises OtherUnits, ReservedName.
    """
    if any(lesson.slug == "quiz" for module in curriculum.modules for lesson in module.lessons):
        raise ReservedName
    values = manifest(curriculum)
    record = _own_record(curriculum, unit_id)
    newest = newest_of(record.id)
    if newest is not None and newest.sha256 == digest(values):
        return newest
    release = Release(
        certification_id=record.id,
        number=newest.number + 1 if newest else 1,
        manifest=values,
        sha256=digest(values),
        kind=kind if newest else "material",
        published_at=now(),
    )
    session().add(release)
    session().flush()
    if newest is not None and release.kind == "editorial":
        from curriculum.enrolment import move_along  # enrolments know releases; here is the one way back

        move_along(newest, release)
    facts = {"number": release.number, "kind": release.kind, "sha256": release.sha256}
    audit.record(by, "curriculum.published", "certification", record.id, unit_id=unit_id, details=facts)
    return release


def _own_record(curriculum: Curriculum, unit_id: str) -> CertificationRecord:
    """The certification's row, locked by being touched: of two who publish at once the second sees the first's."""
    facts = curriculum.certification
    record = find_certification(facts.slug)
    if record is None:
        record = CertificationRecord(slug=facts.slug, title=facts.title, unit_id=unit_id)
        session().add(record)
        session().flush()
    if record.unit_id != unit_id:
        raise OtherUnits
    run(update(CertificationRecord).where(col(CertificationRecord.id) == record.id).values(title=facts.title))
    return record


def find_certification(slug: str) -> CertificationRecord | None:
    """The certification with this short name."""
    return session().exec(select(CertificationRecord).where(CertificationRecord.slug == slug)).first()


def get_certification(certification_id: str) -> CertificationRecord:
    """The certification with this id; raises NoSuchCertification."""
    record = session().get(CertificationRecord, certification_id)
    if record is None:
        raise NoSuchCertification
    return record


def newest_of(certification_id: str) -> Release | None:
    """The newest release of a certification."""
    return next(iter(releases_of(certification_id, limit=1)), None)


def newest_release(slug: str) -> Release | None:
    """The newest release of the certification with this short name; None when there is none yet."""
    record = find_certification(slug)
    return None if record is None else newest_of(record.id)


def releases_of(certification_id: str, *, limit: int = 100) -> list[Release]:
    """The releases of a certification, the newest first."""
    wanted = select(Release).where(Release.certification_id == certification_id)
    return list(session().exec(wanted.order_by(col(Release.number).desc()).limit(limit)).all())


def get_release(release_id: str) -> Release:
    """The release with this id; raises NoSuchCertification."""
    release = session().get(Release, release_id)
    if release is None:
        raise NoSuchCertification
    return release


def content_of(release: Release) -> Curriculum:
    """What a release teaches; read once per process, since releases never change."""
    known = _contents.get(release.id)
    if known is None:
        known = curriculum_from(release.manifest)
        while len(_contents) >= MAX_KEPT:
            _contents.pop(next(iter(_contents)), None)
        _contents[release.id] = known
    return known


def content_of_id(release_id: str) -> Curriculum:
    """What the release with this id teaches; raises NoSuchCertification."""
    known = _contents.get(release_id)
    return content_of(get_release(release_id)) if known is None else known


MAX_KEPT = 20
_contents: dict[str, Curriculum] = {}
