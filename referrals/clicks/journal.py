"""The click journal: clicks are on file before their redirect is answered, one append-only segment per process.

A segment's writer holds an exclusive lock on it for as long as it lives, so that after any end of the process, kill -9
included, whoever reads can tell that nothing more will come. A record is one line, written by one `write`; what is in it
says journal_lines.py. A segment's first line is of fixed length and says how many clicks its writer could not put on
file: it is overwritten in place, which takes no room on a full disk.
"""

import ctypes
import errno
import fcntl
import os
import re
import threading
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import structlog

from core.ids import new_id
from referrals.clicks.journal_lines import Piece, understood

log = structlog.get_logger()

ROTATE_BYTES = 64 * 1024 * 1024
SYNC_EVERY_S = 0.1
STOP_S = 5
READ_BYTES = 10 * 1024 * 1024
_SUFFIX = ".journal"
_LOST = re.compile(rb"lost\t([0-9]{12})\t([0-9]{13})\n")
LOST_BYTES = len("lost\t012345678901\t0123456789012\n")


class Lost(NamedTuple):
    """How many clicks a writer could not put on file, and when that last happened, in milliseconds since 1970."""

    clicks: int
    last_ms: int


# os.write lets another thread have the interpreter for the microsecond that it takes, and getting it back takes ten: with
# four threads a third fewer redirects. This one keeps it.
_libc_write = ctypes.PyDLL(None, use_errno=True).write
_libc_write.argtypes, _libc_write.restype = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t), ctypes.c_ssize_t


def write(descriptor: int, line: bytes) -> int:
    """How much of a line got on file; raises OSError."""
    written: int = _libc_write(descriptor, line, len(line))
    if written < 0:
        raise OSError(number := ctypes.get_errno(), os.strerror(number))
    return written


class Journal:
    """The segment that this process writes, opened at its first click and synced by a thread of its own."""

    def __init__(self, folder: Path, *, rotate_bytes: int = ROTATE_BYTES) -> None:
        self._folder = folder
        self._rotate_bytes = rotate_bytes
        self._descriptor = -1
        self._unsynced = False
        self._changing = threading.Lock()
        self._closed = threading.Event()
        self._syncing: threading.Thread | None = None
        self._segment: Path | None = None
        self.lost = Lost(0, 0)
        """what was lost since the segment began, or before there could be one"""
        os.register_at_fork(after_in_child=self._forget)

    def append(self, line: bytes) -> None:
        """Put a line on file; returning means that it survives the end of this process. Raises OSError."""
        descriptor = self._descriptor
        if descriptor < 0:
            descriptor = self._open()
        if write(descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, "only a part of the click fitted")
        self._unsynced = True

    def lose(self, at_ms: int) -> None:
        """Note that a click could not be put on file: in the segment's first line, as soon as there is one."""
        with self._changing:
            self.lost = Lost(self.lost.clicks + 1, at_ms)
            if self._segment is not None:
                with suppress(OSError):  # the next one says it for both
                    _say_lost(self._segment, self.lost)
                    self._unsynced = True

    def close(self) -> None:
        """End the segment: what comes later opens a new one."""
        self._closed.set()
        if self._syncing is not None:
            self._syncing.join(STOP_S)
        with self._changing:
            if self._descriptor >= 0:
                os.close(self._descriptor)
            self._descriptor, self._segment, self.lost = -1, None, Lost(0, 0)

    def _open(self) -> int:
        with self._changing:
            if self._descriptor < 0:
                self._segment, self._descriptor = _new_segment(self._folder, self.lost)
                self._closed = threading.Event()
                self._syncing = threading.Thread(target=self._keep_synced, name="journal", daemon=True)
                self._syncing.start()
            return self._descriptor

    def _keep_synced(self) -> None:
        closed, descriptor = self._closed, self._descriptor
        while not closed.wait(SYNC_EVERY_S):
            try:
                self._sync(descriptor)
            except OSError as error:  # a full or failing disk: clicks go on, the next round tries again
                self._unsynced = True
                log.warning("journal not synced", reason=str(error))

    def _sync(self, descriptor: int) -> None:
        if not self._unsynced:
            return
        self._unsynced = False
        os.fdatasync(descriptor)
        if os.fstat(descriptor).st_size >= self._rotate_bytes:
            with self._changing:
                self._segment, fresh = _new_segment(self._folder, Lost(0, 0))
                self.lost = Lost(0, 0)
            # The number stays and the file behind it changes at once: a write on its way ends in the old file, which
            # stays locked until that write is done.
            os.dup2(fresh, descriptor, inheritable=False)
            os.close(fresh)

    def _forget(self) -> None:
        """In a forked child: the segment is the parent's, and its lock stays with the parent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._changing, self._closed = -1, threading.Lock(), threading.Event()
        self._syncing, self._segment, self.lost = None, None, Lost(0, 0)


def _new_segment(folder: Path, lost: Lost) -> tuple[Path, int]:
    """A new, locked segment without a click; it gets its name only when it is locked, so nobody takes it for a finished one."""
    folder.mkdir(parents=True, exist_ok=True)
    name = new_id()
    unready, segment = folder / f".{name}", folder / f"{name}{_SUFFIX}"
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
    descriptor = os.open(unready, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _say_lost(unready, lost)
        unready.rename(segment)
        _sync_folder(folder)
    except OSError:
        os.close(descriptor)
        unready.unlink(missing_ok=True)
        raise
    return segment, descriptor


def _say_lost(segment: Path, lost: Lost) -> None:
    """Write a segment's first line; through a descriptor of its own, since the writer's only appends."""
    descriptor = os.open(segment, os.O_WRONLY | os.O_CLOEXEC)
    try:
        if os.pwrite(descriptor, b"lost\t%012d\t%013d\n" % lost, 0) != LOST_BYTES:
            raise OSError(errno.ENOSPC, "no room for a segment's first line")
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def segments(folder: Path) -> list[Path]:
    """The segments in a folder, the oldest first."""
    return sorted(folder.glob(f"*{_SUFFIX}"))


def is_finished(segment: Path) -> bool:
    """Whether the segment's writer is gone. Ask before reading: then what is read to the end is all there is."""
    descriptor = os.open(segment, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def read(segment: Path, offset: int, *, finished: bool, most: int) -> Piece:
    """Up to `most` records from `offset` on.

    A last line without its end waits for the writer, or is left behind with the writer gone (`finished`).
    """
    with segment.open("rb") as file:
        begin = offset or (LOST_BYTES if _LOST.match(file.read(LOST_BYTES)) else 0)
        file.seek(begin)
        raw = file.read(READ_BYTES)
    lines = raw.split(b"\n")
    tail = lines.pop()
    if finished and tail and (len(raw) < READ_BYTES or not lines):
        lines.append(tail)
    piece = understood(lines[:most], finished=finished)
    return Piece(piece.records, begin + min(piece.end, len(raw)), piece.broken)


def lost(segment: Path) -> Lost:
    """What the writer of a segment could not put on file."""
    with segment.open("rb") as file:
        said = _LOST.match(file.read(LOST_BYTES))
    return Lost(int(said[1]), int(said[2])) if said else Lost(0, 0)


def empty(segment: Path) -> None:
    """Leave nothing in a finished segment whose clicks are all in the database; harmless when it is gone."""
    with suppress(FileNotFoundError):
        os.truncate(segment, 0)


def remove(segment: Path) -> None:
    """Delete a finished segment whose clicks are all in the database; harmless when it is gone."""
    segment.unlink(missing_ok=True)
