"""People: one account each, whatever they are in the programme."""

from datetime import datetime
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import Text
from sqlmodel import Field, SQLModel, select

from core.clock import now
from core.columns import key, moment
from core.db import session
from core.errors import Conflict, Invalid, NotFound

_hasher = PasswordHasher()
MIN_PASSWORD_LENGTH = 12
MAX_PASSWORD_LENGTH = 256


class Person(SQLModel, table=True):
    """Somebody with an account (or about to have one: no password yet)."""

    __tablename__ = "person"

    id: str = key()
    email: str = Field(unique=True, sa_type=Text)
    """Lower case; the way to sign in."""
    name: str = Field(sa_type=Text)
    password_hash: str | None = Field(default=None, sa_type=Text)
    time_zone: str = Field(default="UTC", sa_type=Text)
    locale: str = Field(default="en", sa_type=Text)
    created_at: datetime = moment(now)
    disabled_at: datetime | None = moment(optional=True)


@cache
def _nobodys_hash() -> str:
    return _hasher.hash("nobody's password")


class PasswordTooShort(Invalid):
    """Please choose a password of at least 12 characters."""


class PasswordTooLong(Invalid):
    """Please choose a password of at most 256 characters."""


class EmailTaken(Conflict):
    """There is already an account with this e-mail address."""


def normal_email(email: str) -> str:
    """The form in which addresses are kept and compared."""
    return email.strip().lower()


def find_person(email: str) -> Person | None:
    """The person with this address, if there is one."""
    return session().exec(select(Person).where(Person.email == normal_email(email))).first()


def get_person(person_id: str) -> Person:
    """The person with this id; raises NotFound."""
    person = session().get(Person, person_id)
    if person is None:
        raise NotFound
    return person


def register(email: str, name: str, *, password: str | None = None, time_zone: str = "UTC") -> Person:
    """Make an account; without a password it waits for its invitation. Raises EmailTaken."""
    if find_person(email) is not None:
        raise EmailTaken
    person = Person(email=normal_email(email), name=name, time_zone=time_zone)
    if password is not None:
        person.password_hash = hashed(password)
    session().add(person)
    session().flush()
    return person


def hashed(password: str) -> str:
    """argon2id of a password that is long enough; raises PasswordTooShort or PasswordTooLong."""
    if len(password) < MIN_PASSWORD_LENGTH:
        raise PasswordTooShort
    if len(password) > MAX_PASSWORD_LENGTH:
        raise PasswordTooLong
    return _hasher.hash(password)


def password_fits(person: Person | None, password: str) -> bool:
    """Whether the password is the person's; takes as long for somebody unknown."""
    known = person.password_hash if person is not None else None
    try:
        fits = _hasher.verify(known or _nobodys_hash(), password[:MAX_PASSWORD_LENGTH])
    except VerificationError:
        return False
    return fits and known is not None and person is not None and person.disabled_at is None
