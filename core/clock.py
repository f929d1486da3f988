"""The only place time comes from."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from pathlib import Path

LOOK_AGAIN_S = 0.2

_frozen: ContextVar[datetime | None] = ContextVar("frozen_clock", default=None)


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return _frozen.get() or datetime.now(UTC) + _travelled.offset()


class _Travel:
    """How far ahead the clock of a development service is, as a file in its data folder says."""

    def __init__(self) -> None:
        self._file: Path | None = None
        self._offset = timedelta()
        self._looked = -LOOK_AGAIN_S

    def follow(self, file: Path | None) -> None:
        self._file, self._offset, self._looked = file, timedelta(), -LOOK_AGAIN_S

    def offset(self) -> timedelta:
        if self._file is None or time.monotonic() - self._looked < LOOK_AGAIN_S:
            return self._offset
        self._looked = time.monotonic()
        try:
            self._offset = timedelta(seconds=int(self._file.read_text()))
        except (FileNotFoundError, ValueError):  # none yet, or just being written
            return self._offset
        return self._offset


_travelled = _Travel()


def follow(file: Path | None) -> None:
    """Run ahead by the seconds written in `file` (development only: `bin/spokes travel` writes it); None: real time."""
    _travelled.follow(file)


def travel(file: Path, days: float) -> timedelta:
    """Move a development service's clock ahead by so many days; the answer is how far ahead it then is."""
    ahead = _travelled.offset() + timedelta(days=days)
    file.write_text(str(int(ahead.total_seconds())))
    follow(file)
    return ahead


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
