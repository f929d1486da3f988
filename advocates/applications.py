"""Applications: sent by anybody, answered always, accepted by somebody else than the applicant."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator

from advocates import application_mails as mails
from advocates.application_states import (
    OPEN,
    STATES,
    Application,
    ApplicationChange,
    ApplicationNotFound,
    IllegalChange,
    State,
    find_open,
    get_application,
    history,
    move,
    note_change,
)
from advocates.membership import Membership, welcome
from core.access import Actor
from core.clock import now
from core.db import session
from core.errors import Conflict, Forbidden
from core.events import publish
from core.inputs import Email, Input, Line
from core.people import find_person, get_person, register
from hub import actions
from hub.programmes import Programme, ProgrammeNotFound, find_programme

__all__ = [
    "OPEN", "STATES", "Application", "ApplicationAccepted", "ApplicationChange", "ApplicationNotFound",
    "ApplicationSubmitted", "IllegalChange", "NewApplication", "Particulars", "accept", "answer", "ask_info",
    "decline", "get_application", "history", "receive", "submit", "take_up", "waitlist", "withdraw",
]  # fmt: skip

REVIEW = "application.review"
MAX_CHANNELS, MAX_ADDRESS = 10, 500
CONSENT = (
    "I agree that my name, e-mail address and what I wrote here are stored to decide about my application, "
    "and, if I am accepted, to run the programme. I can withdraw this and have my data deleted at any time."
)


def _agreed(value: bool) -> bool:
    if not value:
        raise ValueError("this has to be confirmed")
    return value


Agreed = Annotated[bool, AfterValidator(_agreed)]


class Particulars(Input):
    """What an applicant says about themselves."""

    name: Line
    email: Email
    why: str = Field(min_length=1, max_length=4_000)
    channels: str = Field(default="", max_length=4_000)
    """one web address a line"""
    age: Agreed
    consent: Agreed

    @field_validator("channels")
    @classmethod
    def _addresses(cls, value: str) -> str:
        addresses = [_address(line.strip()) for line in value.splitlines() if line.strip()]
        if len(addresses) > MAX_CHANNELS:
            raise ValueError(f"at most {MAX_CHANNELS} addresses")
        return "\n".join(addresses)


def _address(line: str) -> str:
    full = line if "://" in line else f"https://{line}"
    try:
        parts = urlsplit(full)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in {"http", "https"} or "." not in host or len(full) > MAX_ADDRESS or " " in full:
        raise ValueError("each line has to be a web address, like https://example.org/you")
    return full


class NewApplication(Particulars):
    """An application to a programme (its short name)."""

    programme: Line


@dataclass(frozen=True)
class ApplicationSubmitted:
    """Somebody applied."""

    application_id: str


@dataclass(frozen=True)
class ApplicationAccepted:
    """Somebody became an advocate."""

    application_id: str
    membership_id: str
    person_id: str
    programme_id: str
    occurred_at: datetime


class ApplicationsClosed(Conflict):
    """This programme does not take applications at the moment."""


class AlreadyApplied(Conflict):
    """There is already an open application to this programme from this address. The mail we sent has its link."""


class OwnApplication(Forbidden):
    """Nobody decides about their own application. Please leave it to a colleague."""


def submit(new: NewApplication, *, person_id: str | None = None) -> Application:
    """Store an application, send the receipt, put it on the reviewers' list.

    `person_id` is who was signed in. Raises ProgrammeNotFound, ApplicationsClosed, AlreadyApplied; whether
    there is an account with the address changes nothing that the applicant can see.
    """
    programme = find_programme(new.programme)
    if programme is None:
        raise ProgrammeNotFound
    if not programme.open_to_applications:
        raise ApplicationsClosed
    if find_open(programme.id, new.email) is not None:
        raise AlreadyApplied
    application = _store(new, programme, person_id)
    note_change(application, "", "submitted", by=applicant(application))
    _ask_reviewers(application)
    mails.send_receipt(application)
    publish(ApplicationSubmitted(application.id))
    return application


def receive(new: NewApplication, *, person_id: str | None = None) -> None:
    """Take what a visitor sent; whether this address has an open application is told by mail, to its owner alone.

    Raises ProgrammeNotFound, ApplicationsClosed.
    """
    programme = find_programme(new.programme)
    before = None
    if programme is not None and programme.open_to_applications:
        before = find_open(programme.id, new.email)
    if before is None:
        submit(new, person_id=person_id)
    else:
        mails.send_already_open(before)


def _store(new: NewApplication, programme: Programme, person_id: str | None) -> Application:
    application = Application(
        programme_id=programme.id,
        unit_id=programme.unit_id,
        email=new.email,
        name=new.name,
        why=new.why,
        channels=new.channels.splitlines(),
        minimum_age=programme.minimum_age,
        consent_text=CONSENT,
        consent_at=now(),
        submitted_at=now(),
        decide_by=now() + timedelta(days=programme.decide_within_days),
        person_id=person_id,
    )
    session().add(application)
    session().flush()  # two at once: the second meets the unique index and is told so
    return application


def _ask_reviewers(application: Application) -> None:
    programme = session().get_one(Programme, application.programme_id)
    actions.ask(
        REVIEW,
        application.id,
        application.unit_id,
        right=REVIEW,
        summary=f"{application.name} applies to {programme.name}",
        due_at=application.decide_by,
    )


def applicant(application: Application) -> Actor:
    """The applicant as an actor: known by the application only, so the log keeps no name."""
    return Actor("applicant", application.id, "the applicant")


def take_up(application: Application, *, by: Actor) -> None:
    """Begin to look at it, or look again at one that waits."""
    _not_ones_own(application, by)
    move(application, "in_review", by=by)
    _ask_reviewers(application)


def ask_info(application: Application, *, by: Actor, reason: str, note: str = "") -> None:
    """Ask the applicant for more; `reason` is the question, `note` is for colleagues."""
    _not_ones_own(application, by)
    move(application, "needs_info", by=by, reason=reason, note=note)
    mails.send_question(application, reason)


def answer(application: Application, words: str) -> None:
    """The applicant answers what was asked; raises IllegalChange when nothing was."""
    if application.state != "needs_info":
        raise IllegalChange("Nothing is asked of you at the moment.")
    move(application, "in_review", by=applicant(application), reason=words)


def waitlist(application: Application, *, by: Actor, reason: str, note: str = "") -> None:
    """Not now, perhaps later; the applicant reads the reason."""
    _decide(application, "waitlisted", by, reason, note)
    mails.send_waitlisted(application, reason)


def decline(application: Application, *, by: Actor, reason: str, note: str = "") -> None:
    """No; the applicant reads the reason."""
    _decide(application, "declined", by, reason, note)
    mails.send_declined(application, reason)


def withdraw(application: Application) -> None:
    """The applicant takes it back."""
    move(application, "withdrawn", by=applicant(application))
    actions.done(REVIEW, application.id, by=applicant(application))


def accept(application: Application, *, by: Actor, reason: str = "", note: str = "") -> Membership:
    """Make the applicant an advocate, with an account if they have none, and tell them.

    Raises OwnApplication, IllegalChange, AlreadyMember.
    """
    _decide(application, "accepted", by, reason, note)
    person = find_person(application.email) or register(application.email, application.name)
    programme = session().get_one(Programme, application.programme_id)
    membership = welcome(person, programme, by=by)
    application.membership_id = membership.id
    session().add(application)
    session().flush()
    mails.send_accepted(application, person, membership.number, reason)
    publish(ApplicationAccepted(application.id, membership.id, person.id, programme.id, now()))
    return membership


def _decide(application: Application, to: State, by: Actor, reason: str, note: str) -> None:
    _not_ones_own(application, by)
    move(application, to, by=by, reason=reason, note=note)
    actions.done(REVIEW, application.id, by=by)


def _not_ones_own(application: Application, by: Actor) -> None:
    if by.person_id is None:
        return
    if by.person_id == application.person_id or get_person(by.person_id).email == application.email:
        raise OwnApplication
