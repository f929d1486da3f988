"""Secrets that we have to keep readable, encrypted in the database; the keys can be changed while the service runs."""

import base64
import hashlib
from typing import TYPE_CHECKING

from core.errors import Unavailable
from core.settings import settings

if TYPE_CHECKING:
    from cryptography.fernet import Fernet, MultiFernet


class CannotOpen(Unavailable):
    """A stored secret cannot be opened: the key it was sealed with is missing from ENCRYPTION_KEYS."""


def seal(secret: str) -> str:
    """The secret under the newest key, as text for a column."""
    return _keys().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """The secret again, whichever of the keys sealed it; raises CannotOpen."""
    from cryptography.fernet import InvalidToken

    try:
        return _keys().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise CannotOpen from error


def resealed(sealed: str) -> str | None:
    """The same secret under the newest key; None when that is the one it has. Raises CannotOpen."""
    from cryptography.fernet import InvalidToken

    try:
        _fernets()[0].decrypt(sealed.encode())
    except InvalidToken:
        return seal(unseal(sealed))
    return None


def _keys() -> "MultiFernet":
    from cryptography.fernet import MultiFernet

    return MultiFernet(_fernets())


def _fernets() -> "list[Fernet]":
    """One for each key, the newest first; each is stretched to the 32 bytes that Fernet takes."""
    from cryptography.fernet import Fernet  # 6 MiB, which a web process needs only when it opens a secret

    digests = (hashlib.sha256(b"spokes sealed secrets\0" + each.encode()) for each in settings().sealing_keys)
    return [Fernet(base64.urlsafe_b64encode(each.digest())) for each in digests]
