"""The lines of the click journal: what is in them, how they are checked, what sums are made by.

A line is a record's CRC-32 and its fields, separated by tabs, in the order of `COLUMNS`, so that what stands behind the
CRC is what PostgreSQL's COPY reads.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

_CRC = len("01234567\t")
_START = re.compile(rb"[0-9a-f]{8}\t[0-9a-z]{26}\t")


class ClickRecord(NamedTuple):
    """A click as the journal has it; the texts hold no tab and no line break.

    What sums are made by stands together, behind fields of fixed length: see `counted`.
    """

    id: str
    occurred_ms: int
    link_id: str
    membership_id: str
    unit_id: str
    day: int
    counted: bool
    device: str
    code: str
    flags: str
    visitor_hash: str
    referrer_host: str
    country: str


COLUMNS = ClickRecord._fields
_TABS = len(COLUMNS) - 1
_ID = 26
_WHOSE = slice(_ID + 1 + 13 + 1, _ID + 1 + 13 + 1 + 3 * (_ID + 1) + 8 + 1 + 1 + 1 + 1)
_LINK = slice(_WHOSE.start, _WHOSE.start + _ID)
_COUNTED = _WHOSE.stop - 3
_IN_PIECE = _COUNTED - _WHOSE.start
_AS_COUNTED = ord("1")


@dataclass(frozen=True)
class Piece:
    """What was read from a segment: its records, where reading goes on, and how many broken lines were passed over.

    A record is the text of its fields, as in the journal.
    """

    records: list[bytes]
    end: int
    broken: int


class Counted(NamedTuple):
    """Counted clicks that are of one sum."""

    link_id: str
    membership_id: str
    unit_id: str
    day: int
    handheld: int
    """1 from a phone or a tablet, else 0"""
    clicks: int


def line_of(fields: str) -> bytes:
    """The line of a record whose fields stand there already, separated by tabs."""
    raw = fields.encode()
    return b"%08x\t%b\n" % (crc32(raw), raw)


def fields_of(record: ClickRecord) -> str:
    """The fields of a record, separated by tabs."""
    return "\t".join(str(int(each)) if isinstance(each, bool) else str(each) for each in record)


def id_of(record: bytes) -> str:
    """The click's id."""
    return record[:_ID].decode()


def counted(records: Sequence[bytes]) -> list[Counted]:
    """The clicks that count, summed: cut out as one piece, since this is done for every click, and sorted by link.

    The piece ends with the first letter of the device, which tells phones and tablets from the rest.
    """
    pieces = Counter([each[_WHOSE] for each in records])
    told = sorted(
        (piece.decode(), number) for piece, number in pieces.items() if piece[_IN_PIECE] == _AS_COUNTED
    )
    return [
        Counted(
            piece[:26], piece[27:53], piece[54:80], int(piece[81:89]), int(piece[92:] in {"m", "t"}), number
        )
        for piece, number in told
    ]


def by_referrer(records: Sequence[bytes]) -> dict[tuple[str, str], int]:
    """(link, host) → its counted clicks that a host sent; those without a referrer are left out."""
    pieces = Counter(
        [
            each[_LINK] + host
            for each in records
            if (host := each.rsplit(b"\t", 2)[1]) and each[_COUNTED] == _AS_COUNTED
        ]
    )
    return {(piece[:_ID].decode(), piece[_ID:].decode()): number for piece, number in pieces.items()}


def understood(lines: list[bytes], *, finished: bool) -> Piece:
    """The records of lines (without their ends).

    A line that fails its checksum is passed over only when nothing can complete it any more: a good line follows, or
    the writer is gone (`finished`).
    """
    records = [text for line in lines if b"%08x" % crc32(text := line[_CRC:]) == line[: _CRC - 1]]
    shaped = b"".join(records).count(b"\t") == _TABS * len(lines)
    if shaped and len(records) == len(lines):  # as nearly always
        return Piece(records, sum(map(len, lines)) + len(lines), 0)
    return _sorted_out(lines, finished=finished)


def _sorted_out(lines: list[bytes], *, finished: bool) -> Piece:
    records: list[bytes] = []
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


def _record(line: bytes) -> bytes | None:
    text = line[_CRC:]
    good = b"%08x\t" % crc32(text) == line[:_CRC] and text.count(b"\t") == _TABS
    return text if good else None


def _rescued(line: bytes) -> bytes | None:
    """The whole record at the end of a line that begins with a torn one (the disk was full for a moment)."""
    for start in _START.finditer(line, 1):
        record = _record(line[start.start() :])
        if record is not None:
            return record
    return None
