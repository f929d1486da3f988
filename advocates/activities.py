"""Activities: an advocate did something, shows where it can be seen, and a person accepts it or says why not."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from urllib.parse import urlsplit, urlunsplit

from sqlalchemy import Index, Text, func, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.dml import Update
from sqlmodel import Field, SQLModel, col, select

from advocates.activity_kinds import ActivityKind, CountsAs, get_kind
from advocates.membership import Membership, active_at, get_membership
from core import audit, events, mail
from core.access import Actor, authorize
from core.clock import now
from core.columns import key, moment, one_of, word
from core.db import session, update_one
from core.errors import Conflict, Forbidden, Invalid, NotFound
from core.people import get_person
from hub import actions
from hub.programmes import get_programme

State = Literal["open", "accepted", "declined", "taken_back"]
DECIDE = "activity.decide"
DECIDE_WITHIN_DAYS = 7
MOST_WAITING = 20
MOST_WORDS, LONGEST_ADDRESS = 2_000, 500


class Activity(SQLModel, table=True):
    """What an advocate says they did, and what became of it."""

    __tablename__ = "activity"
    __table_args__ = (one_of("state", get_args(State)),)

    id: str = key()
    kind_id: str = Field(foreign_key="activity_kind.id", index=True, sa_type=Text)
    membership_id: str = Field(foreign_key="membership.id", index=True, sa_type=Text)
    unit_id: str = Field(foreign_key="unit.id", index=True, sa_type=Text)
    evidence: str = Field(sa_type=Text)
    """where it can be seen: an address, as `normal_address` writes it"""
    words: str = Field(default="", sa_type=Text)
    state: State = word("open")
    submitted_at: datetime = moment(now)
    decided_at: datetime | None = moment(optional=True)
    """when it was accepted or declined: what it earns is earned then"""
    decided_by: str | None = Field(default=None, sa_type=Text)
    reason: str = Field(default="", sa_type=Text)
    """why it was declined or taken back; the advocate reads it"""
    taken_back_at: datetime | None = moment(optional=True)


Index(
    "uq_activity_evidence",
    Activity.membership_id,
    Activity.evidence,
    unique=True,
    sqlite_where=col(Activity.state) != "declined",
    postgresql_where=col(Activity.state) != "declined",
)


@dataclass(frozen=True)
class ActivityAccepted:
    """Somebody looked at an activity and accepted it."""

    activity_id: str
    occurred_at: datetime


@dataclass(frozen=True)
class ActivityTakenBack:
    """An activity that was accepted no longer counts."""

    activity_id: str
    occurred_at: datetime


class ActivityNotFound(NotFound):
    """There is no such activity."""


class SubmittedBefore(Conflict):
    """You have handed in this address before. Each counts once."""


class AlreadyDecided(Conflict):
    """This activity was decided in the meantime. Please look again."""


class NotYourTerm(Conflict):
    """Your term is not running, so nothing can be handed in now."""


class TooManyWait(Conflict):
    """Twenty of your activities wait for an answer already. Please hand in more when some are answered."""


class OwnActivity(Forbidden):
    """Nobody decides about what they did themselves."""


class ReasonNeeded(Invalid):
    """Please give a reason: the advocate reads it."""


class WrongAddress(Invalid):
    """Please give the whole address where it can be seen, beginning with https://."""


def submit(membership: Membership, kind_id: str, *, evidence: str, words: str, by: Actor) -> Activity:
    """Hand in an activity, for staff to look at.

    Raises KindNotFound, WrongAddress, NotYourTerm, TooManyWait, SubmittedBefore.
    """
    kind, address = get_kind(kind_id, membership.programme_id), normal_address(evidence)
    if not active_at(membership.id, now()):
        raise NotYourTerm
    if _waiting(membership.id) >= MOST_WAITING:
        raise TooManyWait
    made = Activity(
        kind_id=kind.id,
        membership_id=membership.id,
        unit_id=membership.unit_id,
        evidence=address,
        words=words.strip()[:MOST_WORDS],
        submitted_at=now(),
    )
    try:
        with session().begin_nested():
            session().add(made)
    except IntegrityError as error:
        raise SubmittedBefore from error
    facts = {"kind": kind.name, "evidence": address}
    audit.record(by, "activity.submitted", "activity", made.id, unit_id=made.unit_id, details=facts)
    summary = f"{get_person(membership.person_id).name}: {kind.name}, {address}"[:300]
    due = actions.due_in(DECIDE_WITHIN_DAYS)
    actions.ask(DECIDE, made.id, made.unit_id, right=DECIDE, summary=summary, due_at=due)
    return made


def normal_address(typed: str) -> str:
    """An address as it is kept, so that two ways of writing it are one; raises WrongAddress."""
    try:
        found = urlsplit(typed.strip())
        host, port = found.hostname or "", found.port
    except ValueError as error:
        raise WrongAddress from error
    plain = len(typed) <= LONGEST_ADDRESS and not any(each.isspace() for each in typed.strip())
    if found.scheme not in {"http", "https"} or "." not in host or found.username is not None or not plain:
        raise WrongAddress
    where = f"{host}:{port}" if port else host
    return urlunsplit((found.scheme, where, found.path.rstrip("/"), found.query, ""))


def _waiting(membership_id: str) -> int:
    mine = select(func.count()).where(Activity.membership_id == membership_id, Activity.state == "open")
    return session().exec(mine).one()


def accept(activity: Activity, *, by: Actor) -> None:
    """It counts, once. Raises AlreadyDecided, OwnActivity, NotFound or Forbidden by unit."""
    _may(activity, by)
    _settle(activity, "accepted", by)
    events.publish(ActivityAccepted(activity.id, now()))


def decline(activity: Activity, *, by: Actor, reason: str) -> None:
    """It does not count; handed in anew it may. Raises AlreadyDecided, OwnActivity, ReasonNeeded, NotFound, Forbidden."""
    _may(activity, by)
    _settle(activity, "declined", by, _said(reason))


def take_back(activity: Activity, *, by: Actor, reason: str) -> None:
    """It was accepted and no longer counts, nor ever again.

    Raises AlreadyDecided, OwnActivity, ReasonNeeded, NotFound, Forbidden.
    """
    _may(activity, by)
    said = _said(reason)
    accepted = update(Activity).where(col(Activity.id) == activity.id, col(Activity.state) == "accepted")
    _write(activity, accepted.values(state="taken_back", taken_back_at=now(), reason=said))
    _note(activity, by)
    events.publish(ActivityTakenBack(activity.id, now()))


def _may(activity: Activity, by: Actor) -> None:
    member = get_membership(activity.membership_id)
    authorize(by, DECIDE, activity.unit_id)
    authorize(by, DECIDE, member.unit_id)  # it may have gone to another unit since
    if member.person_id == by.person_id:
        raise OwnActivity


def _said(reason: str) -> str:
    if not reason.strip():
        raise ReasonNeeded
    return reason.strip()


def _settle(activity: Activity, state: State, by: Actor, reason: str = "") -> None:
    still = update(Activity).where(col(Activity.id) == activity.id, col(Activity.state) == "open")
    _write(activity, still.values(state=state, decided_at=now(), decided_by=by.id, reason=reason))
    actions.done(DECIDE, activity.id, by=by)
    _note(activity, by)


def _write(activity: Activity, change: Update) -> None:
    if not update_one(change.execution_options(synchronize_session=False)):
        raise AlreadyDecided
    session().refresh(activity)


def _note(activity: Activity, by: Actor) -> None:
    act, said = f"activity.{activity.state}", {"reason": activity.reason}
    audit.record(by, act, "activity", activity.id, unit_id=activity.unit_id, details=said)
    member = get_membership(activity.membership_id)
    person = get_person(member.person_id)
    mail.leave(
        "activity_decided",
        activity.id,
        activity.state,
        to=person.email,
        name=person.name,
        programme=get_programme(member.programme_id).name,
        state=activity.state,
        reason=activity.reason,
        evidence=activity.evidence,
    )


def get_activity(activity_id: str) -> Activity:
    """The activity with this id; raises ActivityNotFound."""
    found = session().get(Activity, activity_id)
    if found is None:
        raise ActivityNotFound
    return found


def counts_as(activity: Activity) -> CountsAs:
    """What sort of thing it is, as reward rules see it."""
    return session().get_one(ActivityKind, activity.kind_id).counts_as


def activities_of(membership_id: str, limit: int = 100) -> list[tuple[Activity, ActivityKind]]:
    """What an advocate handed in, the newest first, each with its kind."""
    wanted = select(Activity, ActivityKind).where(
        Activity.membership_id == membership_id, Activity.kind_id == ActivityKind.id
    )
    return list(session().exec(wanted.order_by(col(Activity.id).desc()).limit(limit)).all())
