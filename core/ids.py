"""Identifiers: time-ordered, random, nothing to enumerate."""

import os
import time
from threading import Lock

ID_PATTERN = "[0-9a-hjkmnp-tv-z]{26}"
"""What an id looks like: 26 characters of Crockford's base 32, lower case."""
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(a + b for a in _DIGITS for b in _DIGITS)
"""every two digits of base 32, so that ten bits are one look-up"""


_SECOND_MS = 1_000
_last = 0
_order = Lock()


def new_id() -> str:
    """A new id: a ULID (48 bits of milliseconds, 80 random that nobody can guess), lower case.

    One process gives them in ascending order, so that what it stores is listed in the order in which it came: of the same
    millisecond a later one is greater by 64 random bits. A clock that is put back by more than a second is followed.
    """
    global _last  # noqa: PLW0603 - the order is the process's
    at_ms, random = time.time_ns() // 1_000_000, os.urandom(10)
    with _order:
        if 0 <= (_last >> 80) - at_ms < _SECOND_MS:  # the clock has not moved on, or was put back a little
            _last += 1 + int.from_bytes(random[:8])
        else:
            _last = at_ms << 80 | int.from_bytes(random)
        return encoded(_last)


def encoded(bits: int) -> str:
    """128 bits in 26 characters."""
    pairs = _PAIRS
    return "".join([pairs[bits >> shift & 1023] for shift in range(120, -1, -10)])


def new_ids(count: int) -> list[str]:
    """So many new ids, in ascending order."""
    return [new_id() for _ in range(count)]
