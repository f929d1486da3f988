"""The click journal: clicks are on file before their redirect is answered, one append-only segment per process.

A segment's writer holds an exclusive lock on it for as long as it lives, so that after any end of the process, kill -9
included, whoever reads can tell that nothing more will come. A record is one line, written by one `write`:
its CRC-32 and its fields, separated by tabs, in the order of the columns of `click`.
"""

import errno
import fcntl
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import structlog

from core.ids import new_id

log = structlog.get_logger()

ROTATE_BYTES = 64 * 1024 * 1024
SYNC_EVERY_S = 0.1
READ_BYTES = 1024 * 1024
_SUFFIX = ".journal"
_START = re.compile(rb"[0-9a-f]{8}\t[0-9a-z]{26}\t")


class ClickRecord(NamedTuple):
    """A click as the journal has it; the texts hold no tab and no line break."""

    id: str
    link_id: str
    code: str
    membership_id: str
    unit_id: str
    occurred_ms: int
    counted: bool
    flags: str
    visitor_hash: str
    device: str
    referrer_host: str


@dataclass(frozen=True)
class Piece:
    """What was read from a segment: its records, where reading goes on, and how many broken lines were passed over."""

    records: list[ClickRecord]
    end: int
    broken: int


def line_of(fields: str) -> bytes:
    """The line of a record whose fields stand there already, separated by tabs."""
    raw = fields.encode()
    return b"%08x\t%b\n" % (crc32(raw), raw)


def fields_of(record: ClickRecord) -> str:
    """The fields of a record, separated by tabs."""
    return "\t".join(str(int(each)) if isinstance(each, bool) else str(each) for each in record)


class Journal:
    """The segment that this process writes, opened at its first click and synced by a thread of its own."""

    def __init__(self, folder: Path, *, rotate_bytes: int = ROTATE_BYTES) -> None:
        self._folder = folder
        self._rotate_bytes = rotate_bytes
        self._descriptor = -1
        self._unsynced = False
        self._opening = threading.Lock()
        self._closed = threading.Event()
        os.register_at_fork(after_in_child=self._forget)

    def append(self, line: bytes) -> None:
        """Put a line on file; returning means that it survives the end of this process. Raises OSError."""
        descriptor = self._descriptor
        if descriptor < 0:
            descriptor = self._open()
        if os.write(descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, "only a part of the click fitted")
        self._unsynced = True

    def close(self) -> None:
        """End the segment: what comes later opens a new one."""
        self._closed.set()
        with self._opening:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def _open(self) -> int:
        with self._opening:
            if self._descriptor < 0:
                self._descriptor = _new_segment(self._folder)
                self._closed = threading.Event()
                threading.Thread(target=self._keep_synced, name="journal", daemon=True).start()
            return self._descriptor

    def _keep_synced(self) -> None:
        closed, descriptor = self._closed, self._descriptor
        while not closed.wait(SYNC_EVERY_S):
            try:
                self._sync(descriptor)
            except OSError as error:  # a full or failing disk: clicks go on, the next round tries again
                log.warning("journal not synced", reason=str(error))

    def _sync(self, descriptor: int) -> None:
        if not self._unsynced:
            return
        self._unsynced = False
        os.fdatasync(descriptor)
        if os.fstat(descriptor).st_size >= self._rotate_bytes:
            fresh = _new_segment(self._folder)
            # The number stays and the file behind it changes at once: a write on its way ends in the old file, which
            # stays locked until that write is done.
            os.dup2(fresh, descriptor, inheritable=False)
            os.close(fresh)

    def _forget(self) -> None:
        """In a forked child: the segment is the parent's, and its lock stays with the parent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._opening, self._closed = -1, threading.Lock(), threading.Event()


def _new_segment(folder: Path) -> int:
    """A new, locked, empty segment; it gets its name only when it is locked, so nobody takes it for a finished one."""
    folder.mkdir(parents=True, exist_ok=True)
    name = new_id()
    unready = folder / f".{name}"
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
    descriptor = os.open(unready, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        unready.rename(folder / f"{name}{_SUFFIX}")
        _sync_folder(folder)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


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

    A line that fails its checksum is passed over only when nothing can complete it any more: a good line follows, or
    the writer is gone. A last line without its end waits for the writer, or is left behind with the writer gone.
    """
    with segment.open("rb") as file:
        file.seek(offset)
        raw = file.read(READ_BYTES)
    lines = raw.split(b"\n")
    tail = lines.pop()
    if finished and tail and (len(raw) < READ_BYTES or not lines):
        lines.append(tail)
    piece = _understood(lines[:most], finished=finished)
    return Piece(piece.records, min(offset + piece.end, offset + len(raw)), piece.broken)


def _understood(lines: list[bytes], *, finished: bool) -> Piece:
    records: list[ClickRecord] = []
    at = sure = broken = sure_broken = 0
    for line in lines:
        record = _record(line) or _rescued(line)
        at += len(line) + 1
        if record is None:
            broken += 1
            continue
        records.append(record)
        sure, sure_broken = at, broken
    return Piece(records, at, broken) if finished else Piece(records, sure, sure_broken)


def _rescued(line: bytes) -> ClickRecord | None:
    """The whole record at the end of a line that begins with a torn one (the disk was full for a moment)."""
    for start in _START.finditer(line, 1):
        record = _record(line[start.start() :])
        if record is not None:
            return record
    return None


def _record(line: bytes) -> ClickRecord | None:
    checksum, _, raw = line.partition(b"\t")
    try:
        if int(checksum, 16) != crc32(raw):
            return None
        click, link, code, member, unit, ms, counted, *rest = raw.decode().split("\t")
        flags, visitor, device, referrer = rest
        return ClickRecord(
            click, link, code, member, unit, int(ms), counted == "1", flags, visitor, device, referrer
        )
    except ValueError:
        return None


def remove(segment: Path) -> None:
    """Delete a finished segment whose clicks are all in the database; harmless when it is gone."""
    segment.unlink(missing_ok=True)
