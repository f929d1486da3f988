"""Policies with versions, and who has acknowledged which: dated facts, never flags."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Text, UniqueConstraint
from sqlmodel import Field, SQLModel, col, select

from core import audit, events
from core.access import Actor
from core.clock import now
from core.columns import key, moment
from core.db import session
from core.errors import Conflict, NotFound
from hub.programmes import get_programme


class Policy(SQLModel, table=True):
    """Rules that every advocate of a programme acknowledges."""

    __tablename__ = "policy"
    __table_args__ = (UniqueConstraint("programme_id", "slug"),)

    id: str = key()
    programme_id: str = Field(foreign_key="programme.id", sa_type=Text)
    slug: str = Field(sa_type=Text)
    title: str = Field(sa_type=Text)


class PolicyVersion(SQLModel, table=True):
    """A wording of a policy; a material one must be acknowledged again."""

    __tablename__ = "policy_version"
    __table_args__ = (UniqueConstraint("policy_id", "number"),)

    id: str = key()
    policy_id: str = Field(foreign_key="policy.id", sa_type=Text)
    number: int
    text: str = Field(sa_type=Text)
    """Markdown"""
    material: bool = True
    effective_at: datetime = moment(now)


class Acknowledgement(SQLModel, table=True):
    """A person has read and accepted a version; never edited."""

    __tablename__ = "acknowledgement"
    __table_args__ = (UniqueConstraint("person_id", "policy_version_id"),)

    id: str = key()
    person_id: str = Field(foreign_key="person.id", index=True, sa_type=Text)
    policy_version_id: str = Field(foreign_key="policy_version.id", sa_type=Text)
    at: datetime = moment(now)


@dataclass(frozen=True)
class PolicyAcknowledged:
    """Somebody accepted a policy of a programme."""

    person_id: str
    programme_id: str
    occurred_at: datetime


class PolicyNotFound(NotFound):
    """There is no such policy."""


class PolicyChanged(Conflict):
    """This policy has a newer version. Please read that one."""


def publish_policy(
    programme_id: str, slug: str, title: str, text: str, *, by: Actor, material: bool = True
) -> PolicyVersion:
    """Publish the first or a further version of a policy, effective now; the first is always material."""
    policy = (
        session().exec(select(Policy).where(Policy.programme_id == programme_id, Policy.slug == slug)).first()
    )
    policy = policy or Policy(programme_id=programme_id, slug=slug, title=title)
    policy.title = title
    session().add(policy)
    session().flush()
    number = len(_versions(policy.id)) + 1
    material = material or number == 1  # nobody has acknowledged anything that it could merely correct
    version = PolicyVersion(
        policy_id=policy.id, number=number, text=text, material=material, effective_at=now()
    )
    session().add(version)
    session().flush()
    audit.record(
        by,
        "policy.published",
        "policy",
        policy.id,
        unit_id=get_programme(programme_id).unit_id,
        details={"number": number, "material": material},
    )
    return version


def _versions(policy_id: str) -> list[PolicyVersion]:
    wanted = (
        select(PolicyVersion).where(PolicyVersion.policy_id == policy_id).order_by(col(PolicyVersion.number))
    )
    return list(session().exec(wanted).all())


def get_version(version_id: str, programme_id: str) -> tuple[Policy, PolicyVersion]:
    """A version of one of the programme's policies; raises PolicyNotFound."""
    version = session().get(PolicyVersion, version_id)
    policy = session().get(Policy, version.policy_id) if version is not None else None
    if version is None or policy is None or policy.programme_id != programme_id:
        raise PolicyNotFound
    return policy, version


def latest_version(programme_id: str, slug: str) -> tuple[Policy, PolicyVersion] | None:
    """The newest wording of one of the programme's policies, None when there is no such policy."""
    wanted = select(Policy).where(Policy.programme_id == programme_id, Policy.slug == slug)
    policy = session().exec(wanted).first()
    return None if policy is None else (policy, _versions(policy.id)[-1])


def policies_of(programme_id: str) -> list[Policy]:
    """The policies of a programme, by title."""
    return list(
        session().exec(select(Policy).where(Policy.programme_id == programme_id).order_by(Policy.title)).all()
    )


def required_versions(programme_id: str, at: datetime) -> list[tuple[Policy, PolicyVersion]]:
    """For each policy of a programme its material version in force at a moment."""
    policies = (
        session().exec(select(Policy).where(Policy.programme_id == programme_id).order_by(Policy.title)).all()
    )
    current = []
    for policy in policies:
        material = [v for v in _versions(policy.id) if v.material and v.effective_at <= at]
        if material:
            current.append((policy, material[-1]))
    return current


def acknowledged(person_id: str, programme_id: str) -> list[tuple[Policy, PolicyVersion, datetime]]:
    """What the person has acknowledged of a programme's policies and when, the newest first."""
    wanted = (
        select(Policy, PolicyVersion, Acknowledgement)
        .where(
            Acknowledgement.person_id == person_id,
            Acknowledgement.policy_version_id == PolicyVersion.id,
            PolicyVersion.policy_id == Policy.id,
            Policy.programme_id == programme_id,
        )
        .order_by(col(Acknowledgement.at).desc(), col(Acknowledgement.id).desc())
    )
    return [(policy, version, done.at) for policy, version, done in session().exec(wanted)]


def unacknowledged(person_id: str, programme_id: str, at: datetime) -> list[tuple[Policy, PolicyVersion]]:
    """What the person had not acknowledged at a moment, of the versions required then."""
    done = select(Acknowledgement.policy_version_id).where(
        Acknowledgement.person_id == person_id, Acknowledgement.at <= at
    )
    known = set(session().exec(done).all())
    return [
        (policy, version)
        for policy, version in required_versions(programme_id, at)
        if version.id not in known
    ]


def acknowledge(person_id: str, version_id: str) -> Acknowledgement:
    """The person accepts this version; doing it again changes nothing. Raises PolicyNotFound, PolicyChanged."""
    version = session().get(PolicyVersion, version_id)
    if version is None:
        raise PolicyNotFound
    # Only a material wording replaces another: after a corrected typo the one in force can still be accepted.
    if any(each.material and each.number > version.number for each in _versions(version.policy_id)):
        raise PolicyChanged
    done = select(Acknowledgement).where(
        Acknowledgement.person_id == person_id, Acknowledgement.policy_version_id == version_id
    )
    already = session().exec(done).first()
    if already is not None:
        return already
    row = Acknowledgement(person_id=person_id, policy_version_id=version_id, at=now())
    session().add(row)
    session().flush()
    policy = session().get_one(Policy, version.policy_id)
    events.publish(PolicyAcknowledged(person_id, policy.programme_id, row.at))
    return row
