"""The click token: what a click was, signed, so that an order can name it before the database knows it."""

import binascii
import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

from core.settings import settings
from referrals.clicks.click_ids import PATTERN

SIGNATURE_BYTES = 16
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_SHAPE = re.compile(rf"({PATTERN})\.([a-z0-9-]{{3,40}})\.([0-9]{{1,15}})\.([A-Za-z0-9_-]{{22}})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ClickFacts(NamedTuple):
    """What a token says of its click."""

    click_id: str
    code: str
    at: datetime


def sign(click_id: str, code: str, at_ms: int, key: bytes) -> str:
    """`<click id>.<code>.<milliseconds>.<signature>` under a key from `signing_key`."""
    said = f"{click_id}.{code}.{at_ms}"
    return f"{said}.{_signature(said, key)}"


def verify(token: str) -> ClickFacts | None:
    """The facts of a token that we signed; None for any other."""
    shape = _SHAPE.fullmatch(token)
    if shape is None:
        return None
    click_id, code, at_ms, signature = shape.groups()
    said, key = f"{click_id}.{code}.{at_ms}", signing_key(settings().secret)
    if not any(hmac.compare_digest(signature, each(said, key)) for each in (_signature, _signature_before)):
        return None
    # The end of its millisecond: what began in the same one (a link, a certification) was there at the click.
    return ClickFacts(click_id, code, _EPOCH + timedelta(milliseconds=int(at_ms), microseconds=999))


def of_reference(text: str) -> str:
    """A token as the snippet writes it where only letters, digits, - and _ are taken (Stripe's client_reference_id)."""
    return ".".join(text.split("_", 3)) if "." not in text else text


@cache
def signing_key(secret: str) -> bytes:
    """The key of click tokens, one of its own made from the installation's secret."""
    return hashlib.sha256(b"spokes click token\0" + secret.encode()).digest()


def _signature(said: str, key: bytes) -> str:
    """Keyed BLAKE2b (RFC 7693), which takes its key without hashing twice: half of what HMAC costs a click."""
    hashing = _keyed(key).copy()
    hashing.update(said.encode())
    return _written(hashing.digest())


@cache
def _keyed(key: bytes) -> hashlib.blake2b:
    """A hash that has taken in its key already."""
    return hashlib.blake2b(digest_size=SIGNATURE_BYTES, key=key)


def _signature_before(said: str, key: bytes) -> str:
    """HMAC-SHA-256: how tokens were signed before December 2026, of which browsers may keep some for a window yet."""
    return _written(hmac.digest(key, said.encode(), "sha256")[:SIGNATURE_BYTES])


def _written(digest: bytes) -> str:
    return binascii.b2a_base64(digest, newline=False).translate(_URL_SAFE, b"=").decode()
