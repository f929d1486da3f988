"""What advocates decide about themselves: name, time zone, whether they are named, which browsers stay signed in."""

from zoneinfo import available_timezones

from pydantic import field_validator
from sqlalchemy import update
from sqlmodel import col

from advocates.membership import Membership
from core import audit
from core.access import Actor
from core.clock import now
from core.db import run, session
from core.inputs import Input, Line
from core.people import get_person
from core.signin import SignInSession, secret_hash


class Profile(Input):
    """What the form sends; a box that is not ticked is not sent."""

    name: Line
    time_zone: str
    shown_by_name: bool = False

    @field_validator("time_zone")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("this time zone is not known")
        return value


def change_profile(membership: Membership, profile: Profile, *, by: Actor) -> None:
    """Write name and time zone for the person, and the agreement to be named (a dated act) for this membership."""
    person = get_person(membership.person_id)
    person.name, person.time_zone = profile.name, profile.time_zone
    if membership.shown_by_name != profile.shown_by_name:
        membership.shown_by_name = profile.shown_by_name
        agreed = {"shown_by_name": profile.shown_by_name}
        audit.record(
            by, "advocate.named", "membership", membership.id, unit_id=membership.unit_id, details=agreed
        )
    session().add(person)
    session().add(membership)
    session().flush()


def end_other_browsers(person_id: str, secret: str) -> int:
    """End every sign-in of the person but the one of this secret; answers how many ended."""
    others = update(SignInSession).where(
        col(SignInSession.person_id) == person_id,
        col(SignInSession.secret_hash) != secret_hash(secret),
        col(SignInSession.ended_at).is_(None),
        col(SignInSession.expires_at) > now(),
    )
    return run(others.values(ended_at=now()))
