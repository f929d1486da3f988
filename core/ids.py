"""Identifiers: time-ordered, random, nothing to enumerate."""

from ulid import ULID

ID_PATTERN = "[0-9a-hjkmnp-tv-z]{26}"
"""What an id looks like: 26 characters of Crockford's base 32, lower case."""


def new_id() -> str:
    """A new id: a ULID (48 bits of milliseconds, 80 random), lower case."""
    return str(ULID()).lower()
