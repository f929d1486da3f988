"""Single-use links by mail: to open an account, to choose a new password."""

import secrets
from datetime import datetime, timedelta
from typing import Literal, get_args

from sqlalchemy import Text, update
from sqlmodel import Field, SQLModel, col, select

from core.clock import now
from core.columns import key, moment, one_of, word
from core.db import run, session, update_one
from core.errors import NotFound
from core.people import Person, get_person
from core.signin import secret_hash, set_password

Purpose = Literal["invitation", "reset"]
LIFE_HOURS: dict[Purpose, int] = {"invitation": 14 * 24, "reset": 1}


class MailedToken(SQLModel, table=True):
    """A secret that went out by mail; only its hash is kept."""

    __tablename__ = "mailed_token"
    __table_args__ = (one_of("purpose", get_args(Purpose)),)

    id: str = key()
    secret_hash: str = Field(unique=True, sa_type=Text)
    purpose: Purpose = word()
    person_id: str = Field(foreign_key="person.id", index=True, sa_type=Text)
    expires_at: datetime = moment()
    used_at: datetime | None = moment(optional=True)


class LinkSpent(NotFound):
    """This link was already used or is too old. Ask for a new one on the sign-in page."""


def issue(person_id: str, purpose: Purpose) -> str:
    """A new secret for a link by mail."""
    secret = secrets.token_urlsafe(32)
    expires = now() + timedelta(hours=LIFE_HOURS[purpose])
    row = MailedToken(
        secret_hash=secret_hash(secret), purpose=purpose, person_id=person_id, expires_at=expires
    )
    session().add(row)
    session().flush()
    return secret


def holder(secret: str) -> Person:
    """Whose link this is; raises LinkSpent when it is used, old or unknown."""
    row = session().exec(select(MailedToken).where(MailedToken.secret_hash == secret_hash(secret))).first()
    if row is None or row.used_at is not None or row.expires_at <= now():
        raise LinkSpent
    person = get_person(row.person_id)
    if person.disabled_at is not None:
        raise LinkSpent
    return person


def redeem(secret: str, password_hash: str) -> Person:
    """Use the link once to choose the password behind this hash (see core.people.hashed); raises LinkSpent."""
    person = holder(secret)
    spend = update(MailedToken).where(
        col(MailedToken.secret_hash) == secret_hash(secret), col(MailedToken.used_at).is_(None)
    )
    if not update_one(spend.values(used_at=now())):
        raise LinkSpent
    set_password(person.id, password_hash)
    _spend_others(person.id)
    return person


def _spend_others(person_id: str) -> None:
    """A password was chosen: whatever other links went out are good for nothing any more."""
    others = update(MailedToken).where(
        col(MailedToken.person_id) == person_id, col(MailedToken.used_at).is_(None)
    )
    run(others.values(used_at=now()))
