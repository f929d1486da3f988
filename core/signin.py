"""Sign-in sessions are rows: signing out, or a new password, ends them for good."""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Text, update
from sqlmodel import Field, SQLModel, col, select

from core.clock import now
from core.columns import key, moment
from core.db import run, session
from core.errors import Invalid
from core.people import Person, get_person, password_fits

SESSION_DAYS = 14
SESSION_BYTES = 32
PROOF_LASTS = timedelta(minutes=15)
"""so long a password is proof enough for decisions about money"""


class SignInSession(SQLModel, table=True):
    """One signed-in browser; the cookie holds the secret, the row only its hash."""

    __tablename__ = "sign_in_session"

    id: str = key()
    secret_hash: str = Field(unique=True, sa_type=Text)
    person_id: str = Field(foreign_key="person.id", index=True, sa_type=Text)
    user_agent: str = Field(default="", sa_type=Text)
    began_at: datetime = moment(now)
    expires_at: datetime = moment()
    ended_at: datetime | None = moment(optional=True)
    proved_at: datetime | None = moment(optional=True)
    """when the password was given last"""


class WrongSignIn(Invalid):
    """The e-mail address or the password is not right."""


def secret_hash(secret: str) -> str:
    """What is kept of a random secret (no salt: 256 random bits need none)."""
    return hashlib.sha256(secret.encode()).hexdigest()


def require_password(person: Person | None, password: str) -> Person:
    """The person, when the password is theirs; raises WrongSignIn, the same for nobody.

    Slow on purpose, and needs no database: call it while no transaction is open, or a few strangers with wrong passwords
    hold SQLite's only write lock.
    """
    if not password_fits(person, password) or person is None:
        raise WrongSignIn
    return person


def sign_in(person: Person, *, user_agent: str = "") -> str:
    """Begin a session of somebody whose password was right just now; the answer is the secret for the cookie.

    Raises WrongSignIn when it was changed, or the account closed, in between.
    """
    present = get_person(person.id)
    if present.password_hash != person.password_hash or present.disabled_at is not None:
        raise WrongSignIn
    return begin_session(present, user_agent=user_agent)


def begin_session(person: Person, *, user_agent: str = "") -> str:
    """A new session of the person; the answer is the secret for the cookie."""
    secret = secrets.token_urlsafe(SESSION_BYTES)
    row = SignInSession(
        secret_hash=secret_hash(secret),
        person_id=person.id,
        user_agent=user_agent[:200],
        expires_at=now() + timedelta(days=SESSION_DAYS),
        proved_at=now(),
    )
    session().add(row)
    session().flush()
    return secret


def person_of(secret: str) -> Person | None:
    """Who holds this session secret, if it is still good."""
    row = (
        session().exec(select(SignInSession).where(SignInSession.secret_hash == secret_hash(secret))).first()
    )
    if row is None or row.ended_at is not None or row.expires_at <= now():
        return None
    person = get_person(row.person_id)
    return person if person.disabled_at is None else None


def proved_lately(secret: str) -> bool:
    """Whether the password was given within the last quarter of an hour."""
    proved = select(SignInSession.proved_at).where(SignInSession.secret_hash == secret_hash(secret))
    at = session().exec(proved).first()
    return at is not None and now() - PROOF_LASTS < at <= now()


def note_proof(secret: str) -> None:
    """The password was given again in this session."""
    mine = update(SignInSession).where(col(SignInSession.secret_hash) == secret_hash(secret))
    run(mine.values(proved_at=now()))


def sign_out(secret: str) -> None:
    """End the session of this secret; harmless when it has none."""
    _end(col(SignInSession.secret_hash) == secret_hash(secret))


def end_sessions(person_id: str) -> None:
    """End every session of a person (a new password, a disabled account)."""
    _end(col(SignInSession.person_id) == person_id)


def _end(whose: ColumnElement[bool]) -> None:
    run(update(SignInSession).where(whose, col(SignInSession.ended_at).is_(None)).values(ended_at=now()))


def set_password(person_id: str, password_hash: str) -> None:
    """Give the person the password behind this hash (see core.people.hashed) and end whatever sessions they had."""
    person = get_person(person_id)
    person.password_hash = password_hash
    session().add(person)
    end_sessions(person_id)
