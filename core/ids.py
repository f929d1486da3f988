"""Identifiers: time-ordered, random, nothing to enumerate."""

import os
import time

ID_PATTERN = "[0-9a-hjkmnp-tv-z]{26}"
"""What an id looks like: 26 characters of Crockford's base 32, lower case."""
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(a + b for a in _DIGITS for b in _DIGITS)
"""every two digits of base 32, so that ten bits are one look-up"""


def new_id() -> str:
    """A new id: a ULID (48 bits of milliseconds, 80 random that nobody can guess), lower case."""
    return encoded(time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10)))


def encoded(bits: int) -> str:
    """128 bits in 26 characters."""
    pairs = _PAIRS
    return "".join([pairs[bits >> shift & 1023] for shift in range(120, -1, -10)])


def new_ids(count: int) -> list[str]:
    """So many new ids in ascending order: what is stored together is listed in the order in which it was given."""
    head, pairs, random = encoded(time.time_ns() // 1_000_000 << 80)[:10], _PAIRS, os.urandom(10 * count)
    tails = sorted(int.from_bytes(random[at : at + 10]) for at in range(0, 10 * count, 10))
    return [head + "".join([pairs[tail >> shift & 1023] for shift in range(70, -1, -10)]) for tail in tails]
