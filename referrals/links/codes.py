"""Codes and coupons: what they may look like, and how one is made up."""

import re
import secrets
import unicodedata

from core.errors import Invalid

LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
"""without 0 o 1 l i, which look alike"""
RANDOM_LENGTH = 5
NAME_LENGTH = 16
ALIKE = str.maketrans("01i", "oll")
"""0 reads as o, 1 and i as l"""
_CODE = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,38})[a-z0-9]")
_COUPON = re.compile(r"[A-Z0-9](?:[A-Z0-9-]{1,38})[A-Z0-9]")


class WrongCode(Invalid):
    """A code has 3 to 40 letters a to z, digits and hyphens, and no hyphen at its ends."""


class WrongCoupon(Invalid):
    """A coupon has 3 to 40 letters A to Z, digits and hyphens, and no hyphen at its ends."""


def require_code(given: str) -> str:
    """The code in lower case; raises WrongCode."""
    code = given.strip().lower()
    if not given.isascii() or not _CODE.fullmatch(code):
        raise WrongCode
    return code


def require_coupon(given: str) -> str:
    """The coupon in upper case; raises WrongCoupon."""
    coupon = given.strip().upper()
    if not given.isascii() or not _COUPON.fullmatch(coupon):  # ß would become SS
        raise WrongCoupon
    return coupon


def shape_of(code: str) -> str:
    """What a code looks like to somebody who reads it from a poster: two codes of one shape are taken for each other."""
    return code.translate(ALIKE)


def generate(name: str) -> str:
    """A code from the first name and chance: `ana-7k3mq`; only chance where the name has no Latin letters."""
    plain = unicodedata.normalize("NFKD", (name.split() or [""])[0]).lower()
    first = re.sub(r"[^a-z0-9]", "", plain)[:NAME_LENGTH]
    chance = "".join(secrets.choice(LETTERS) for _ in range(RANDOM_LENGTH))
    return f"{first}-{chance}" if first else chance
