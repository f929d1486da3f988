"""The private links by which an applicant, who has no account yet, reads back what they sent."""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import Text
from sqlmodel import Field, SQLModel, select

from advocates.application_states import Application, ApplicationNotFound, get_application
from core.clock import now
from core.columns import key, moment
from core.db import session
from core.signin import secret_hash

LIFE = timedelta(days=365)
TOKEN_LENGTH = 43


class ApplicationLink(SQLModel, table=True):
    """A secret that went out by mail; only its hash is kept. Each mail brings its own, all stay good."""

    __tablename__ = "application_link"

    id: str = key()
    secret_hash: str = Field(unique=True, sa_type=Text)
    application_id: str = Field(foreign_key="application.id", index=True, sa_type=Text)
    expires_at: datetime = moment()


def new_link(application: Application) -> str:
    """A new secret of 43 characters that opens this application to whoever holds it, for a year."""
    secret = secrets.token_urlsafe(32)
    row = ApplicationLink(
        secret_hash=secret_hash(secret), application_id=application.id, expires_at=now() + LIFE
    )
    session().add(row)
    session().flush()
    return secret


def application_of(secret: str) -> Application:
    """The application that a link opens; raises ApplicationNotFound when it is unknown or too old."""
    row = (
        session()
        .exec(select(ApplicationLink).where(ApplicationLink.secret_hash == secret_hash(secret)))
        .first()
    )
    if row is None or row.expires_at <= now():
        raise ApplicationNotFound
    return get_application(row.application_id)
