"""The only place time comes from."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_frozen: ContextVar[datetime | None] = ContextVar("frozen_clock", default=None)


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return _frozen.get() or datetime.now(UTC)


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Make `now()` answer `moment` (aware) inside the block: the demo lives through months this way."""
    token = _frozen.set(moment.astimezone(UTC))
    try:
        yield
    finally:
        _frozen.reset(token)


def day_number(moment: datetime) -> int:
    """The UTC day of a moment as YYYYMMDD, the form in which facts and the scoreboard keep days."""
    utc = moment.astimezone(UTC)
    return utc.year * 10_000 + utc.month * 100 + utc.day
