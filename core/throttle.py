"""Counting tries per key and window, in rows, so that every worker counts together."""

import hashlib
import hmac
from datetime import UTC, timedelta

from sqlalchemy import BigInteger, Text, delete, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import Field, SQLModel, col

from core.clock import now
from core.db import dialect, run, session
from core.errors import TooManyAttempts
from core.settings import settings


class Tries(SQLModel, table=True):
    """How often something was tried in one window."""

    __tablename__ = "tries"

    name: str = Field(primary_key=True, sa_type=Text)
    window_start: int = Field(primary_key=True, sa_type=BigInteger)
    count: int = 0


def count(name: str, *, most: int, window_s: int) -> None:
    """Count one try of `name`; raises TooManyAttempts after `most` in a window. Call it in a transaction of its own."""
    start, left_s = _window(window_s)
    insert = pg_insert if dialect() == "postgresql" else sqlite_insert
    statement = insert(Tries).values(name=name[:200], window_start=start, count=1)
    upsert = statement.on_conflict_do_update(
        index_elements=["name", "window_start"], set_={"count": Tries.count + 1}
    )
    tries = session().execute(upsert.returning(col(Tries.count))).scalar_one()
    if tries > most:
        raise TooManyAttempts(retry_after_s=left_s)


def give_back(name: str, *, window_s: int) -> None:
    """A try of `name` that was counted just now turned out to be none."""
    start, _left_s = _window(window_s)
    one = update(Tries).where(
        col(Tries.name) == name[:200], col(Tries.window_start) == start, col(Tries.count) > 0
    )
    run(one.values(count=Tries.count - 1))


def _window(window_s: int) -> tuple[int, int]:
    """When the window of now began, and how many seconds are left of it."""
    seconds = int(now().timestamp())
    return seconds - seconds % window_s, window_s - seconds % window_s


def masked(address: str | None) -> str:
    """A network address as a key that cannot be read back (raw addresses are never stored)."""
    return hmac.new(settings().secret.encode(), (address or "").encode(), hashlib.sha256).hexdigest()[:24]


def forget_old(*, keep: timedelta = timedelta(days=1)) -> int:
    """Delete windows older than `keep`; the answer is how many."""
    oldest = int((now() - keep).astimezone(UTC).timestamp())
    return run(delete(Tries).where(col(Tries.window_start) < oldest))
