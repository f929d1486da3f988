"""Keys for machines: a prefix to find them, an HMAC to know them, scopes, a unit, an end."""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import JSON, Text, bindparam, update
from sqlalchemy import select as select_columns
from sqlmodel import Field, SQLModel, col

from core.clock import now
from core.columns import key, moment
from core.db import run, session
from core.errors import Invalid, SpokesError
from core.reading import Columns, Reading
from core.settings import settings

Scope = Literal[
    "links:read", "links:write", "clicks:read", "conversions:read", "conversions:write",
    "leaderboard:read", "advocates:read", "rewards:read", "payouts:read", "postback:write",
]  # fmt: skip
SCOPES: tuple[Scope, ...] = get_args(Scope)
POSTBACK: Scope = "postback:write"
"""the only scope whose keys may stand in an address, and only alone"""
API_SCOPES = tuple(each for each in SCOPES if each != POSTBACK)
"""what the API asks for"""
PREFIX_LENGTH = 12
USED_AGAIN_AFTER = timedelta(hours=1)


class ApiKey(SQLModel, table=True):
    """A key; whoever holds it may do what its scopes say in its unit and below."""

    __tablename__ = "api_key"

    id: str = key()
    name: str = Field(sa_type=Text)
    prefix: str = Field(unique=True, sa_type=Text)
    digest: str = Field(sa_type=Text)
    scopes: list[str] = Field(sa_type=JSON)
    unit_id: str = Field(sa_type=Text)
    created_at: datetime = moment(now)
    expires_at: datetime | None = moment(optional=True)
    revoked_at: datetime | None = moment(optional=True)
    last_used_at: datetime | None = moment(optional=True)


class HeldKey(NamedTuple):
    """A key that somebody holds: what is asked of it with every request."""

    id: str
    name: str
    unit_id: str
    scopes: list[str]
    digest: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


def _of_prefix() -> Columns:
    columns: list[Any] = [getattr(ApiKey, each) for each in HeldKey._fields]
    return select_columns(*columns).where(col(ApiKey.prefix) == bindparam("prefix"))


_OF_PREFIX = Reading(_of_prefix)


class WrongKey(SpokesError):
    """This API key is unknown, expired or revoked. Send it as "Authorization: Bearer KEY"."""

    status = 401


class UnknownScope(Invalid):
    """That is not a scope."""


def create_api_key(name: str, scopes: list[str], unit_id: str, *, expires_at: datetime | None = None) -> str:
    """A new key; the answer is the only time it is shown. Raises UnknownScope."""
    if not scopes or not set(scopes) <= set(SCOPES):
        raise UnknownScope(f"Scopes are: {', '.join(SCOPES)}.")
    secret = f"spk_{secrets.token_urlsafe(32)}"
    row = ApiKey(
        name=name,
        prefix=secret[:PREFIX_LENGTH],
        digest=_digest(secret),
        scopes=sorted(set(scopes)),
        unit_id=unit_id,
        expires_at=expires_at,
    )
    session().add(row)
    session().flush()
    return secret


def key_of(secret: str) -> HeldKey:
    """The key of a secret, compared in constant time; raises WrongKey."""
    found = _OF_PREFIX.all(prefix=secret[:PREFIX_LENGTH])
    if not found:
        raise WrongKey
    held = HeldKey(*found[0])
    if not hmac.compare_digest(held.digest, _digest(secret)):
        raise WrongKey
    if held.revoked_at is not None or (held.expires_at is not None and held.expires_at <= now()):
        raise WrongKey
    return held


def needs_touch(key: HeldKey) -> bool:
    """Whether the key's last use is due to be written again (hourly, so reading stays reading)."""
    return key.last_used_at is None or key.last_used_at < now() - USED_AGAIN_AFTER


def touch(key_id: str) -> None:
    """Write that the key was used just now."""
    run(update(ApiKey).where(col(ApiKey.id) == key_id).values(last_used_at=now()))


def _digest(secret: str) -> str:
    return hmac.new(settings().secret.encode(), secret.encode(), hashlib.sha256).hexdigest()
