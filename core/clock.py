"""The only place time comes from."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from pathlib import Path

LOOK_AGAIN_S = 0.2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_frozen: ContextVar[datetime | None] = ContextVar("frozen_clock", default=None)


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return _frozen.get() or datetime.now(UTC) + _travelled.offset()


def now_ms() -> int:
    """The present moment in milliseconds since 1970: `now()` for a path where every microsecond counts."""
    frozen = _frozen.get()
    if frozen is not None:
        return (frozen - _EPOCH) // timedelta(milliseconds=1)
    return time.time_ns() // 1_000_000 + _travelled.offset_ms()


@lru_cache(maxsize=8)
def day_since_1970(days: int) -> int:
    """The day that is so many days after 1970-01-01, as YYYYMMDD."""
    return day_number(_EPOCH + timedelta(days=days))


def outside() -> datetime:
    """The moment as the rest of the world has it, for what others compare with their own clocks."""
    return datetime.now(UTC)


class _Travel:
    """How far ahead the clock of a development service is, as a file in its data folder says."""

    def __init__(self) -> None:
        self._file: Path | None = None
        self._offset = timedelta()
        self._looked = -LOOK_AGAIN_S

    def follow(self, file: Path | None) -> None:
        self._file, self._offset, self._looked = file, timedelta(), -LOOK_AGAIN_S

    def offset(self) -> timedelta:
        """How far the service is ahead of the machine; the file is read again after a while."""
        if self._file is None or time.monotonic() - self._looked < LOOK_AGAIN_S:
            return self._offset
        self._looked = time.monotonic()
        try:
            self._offset = timedelta(seconds=int(self._file.read_text()))
        except (FileNotFoundError, ValueError):  # none yet, or just being written
            return self._offset
        return self._offset

    def offset_ms(self) -> int:
        return 0 if self._file is None else self._whole_ms(self.offset())

    @staticmethod
    @lru_cache(maxsize=1)
    def _whole_ms(offset: timedelta) -> int:
        return offset // timedelta(milliseconds=1)


_travelled = _Travel()


def follow(file: Path | None) -> None:
    """Run ahead by the seconds written in `file` (development only: `bin/spokes travel` writes it); None: real time."""
    _travelled.follow(file)


def ahead_after(days: float) -> timedelta:
    """How far ahead a development service's clock would be after so many days more."""
    return _travelled.offset() + timedelta(days=days)


def travel(file: Path, days: float) -> timedelta:
    """Move a development service's clock ahead by so many days; the answer is how far ahead it then is."""
    ahead = ahead_after(days)
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


def in_zone(moment: datetime, zone: tzinfo) -> datetime:
    """A moment as a zone's clocks show it; one of year 1 or 9999 that would be beyond them, as UTC's do."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment.astimezone(UTC)


def day_number(moment: datetime) -> int:
    """The UTC day of a moment as YYYYMMDD, the form in which facts and the scoreboard keep days."""
    utc = moment.astimezone(UTC)
    return utc.year * 10_000 + utc.month * 100 + utc.day
