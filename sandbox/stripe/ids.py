"""Identifiers that look like Stripe's."""

import secrets
import string

ALPHABET = string.ascii_letters + string.digits


def new_id(prefix: str, length: int = 24) -> str:
    """A fresh random id, e.g. `tr_…`."""
    return f"{prefix}_{''.join(secrets.choice(ALPHABET) for _ in range(length))}"
