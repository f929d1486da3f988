"""The lines of the click journal: what is in them, how they are checked, what sums are made by.

A line is a record's CRC-32 and its fields, separated by tabs. Unit and member, which a click's link tells, are there for
the sums; what stands behind them (`stored`) are the `COLUMNS` of the database, as PostgreSQL's COPY reads them.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from struct import pack
from typing import NamedTuple
from zlib import crc32

_CRC = len("01234567\t")
# It looks ahead only: the real start may lie within what looks like one.
_START = re.compile(rb"(?=[0-9a-f]{8}\t[0-9a-z]{26}\t)")


class ClickRecord(NamedTuple):
    """A click as the journal has it; the texts hold no tab and no line break.

    What sums are made by stands together, in fields of fixed length: see `counted`.
    """

    unit_id: str
    membership_id: str
    link_id: str
    day: int
    counted: bool
    device: str
    flags: str
    visitor_hash: str
    referrer_host: str
    country: str
    id: str


COLUMNS = ClickRecord._fields[2:]
_TABS = len(ClickRecord._fields) - 1
_TABS_BEFORE = 12
_ID = 26
_DAY = len("20261231")
_LINK = slice(2 * (_ID + 1), 3 * (_ID + 1) - 1)
_COUNTED = _LINK.stop + 1 + _DAY + 1
_DEVICE = _COUNTED + 2
_WHOSE = slice(_DEVICE + 1)
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

    unit_id: str
    membership_id: str
    link_id: str
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
    return record[-_ID:].decode()


def stored(records: Sequence[bytes]) -> list[bytes]:
    """What the database has of each: its `COLUMNS`, separated by tabs."""
    begin = _LINK.start
    return [each[begin:] for each in records]


def counted(records: Sequence[bytes]) -> list[Counted]:
    """The clicks that count, summed: cut out as one piece, since this is done for every click, and sorted by member.

    The piece ends with the first letter of the device, which tells phones and tablets from the rest.
    """
    pieces = Counter([each[_WHOSE] for each in records])
    told = sorted(
        (piece.decode(), number) for piece, number in pieces.items() if piece[_COUNTED] == _AS_COUNTED
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
            if (host := each.rsplit(b"\t", 3)[1]) and each[_COUNTED] == _AS_COUNTED
        ]
    )
    return {(piece[:_ID].decode(), piece[_ID:].decode()): number for piece, number in pieces.items()}


def understood(lines: list[bytes], *, finished: bool) -> Piece:
    """The records of lines (without their ends).

    A line that fails its checksum is passed over only when nothing can complete it any more: a good line follows, or
    the writer is gone (`finished`).
    """
    records = [line[_CRC:] for line in lines]
    sums = (
        pack(f">{len(records)}I", *map(crc32, records)).hex().encode()
    )  # of all at once: half of what each by itself takes
    shaped = b"".join(records).count(b"\t") == _TABS * len(lines)
    if shaped and sums == b"".join([line[: _CRC - 1] for line in lines]):  # as nearly always
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
    if b"%08x\t" % crc32(text) != line[:_CRC]:
        return None
    tabs = text.count(b"\t")
    return text if tabs == _TABS else _written_before(text) if tabs == _TABS_BEFORE else None


def _written_before(text: bytes) -> bytes:
    """A record as it was written before December 2026, when the database had more columns of a click."""
    key, _ms, link, member, unit, day, *rest = text.split(b"\t")
    counts, device, _code, flags, visitor, host, country = rest
    return b"\t".join((unit, member, link, day, counts, device, flags, visitor, host, country, key))


def _rescued(line: bytes) -> bytes | None:
    """The whole record at the end of a line that begins with a torn one (the disk was full for a moment)."""
    for start in _START.finditer(line, 1):
        record = _record(line[start.start() :])
        if record is not None:
            return record
    return None
