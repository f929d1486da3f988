"""E-mail addresses that reach the same box, compared without ever seeing the buyer's: by SHA-256 of each known form."""

import hashlib
from collections.abc import Iterator
from functools import lru_cache

GOOGLE = frozenset({"gmail.com", "googlemail.com"})
TAGGED = GOOGLE | {
    "outlook.com", "hotmail.com", "live.com", "msn.com", "icloud.com", "me.com", "mac.com", "proton.me",
    "protonmail.com", "pm.me", "fastmail.com", "yandex.com", "yandex.ru", "zoho.com",
}  # fmt: skip
"""providers with which `name+anything` reaches `name`"""
LIKELY_TAGS = ("1", "2", "3", "a", "ad", "buy", "me", "new", "order", "shop", "test", "x")
MOST_DOTTED = 10
"""letters up to which every way to set dots is tried: 2 to the power of one less"""


def normalised(email: str) -> str:
    """The one form of an address: lower case, without `+tag` where the provider ignores it, without Google's dots."""
    local, _, domain = email.strip().lower().rpartition("@")
    if domain in TAGGED:
        local = local.partition("+")[0]
    if domain in GOOGLE:
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}@{domain}"


def digest(text: str) -> str:
    """The form in which shops tell us addresses: SHA-256, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=128)
def forms_of(email: str) -> frozenset[str]:
    """The SHA-256 of an address's forms: as it is, normalised, and with likely tags and dots, at most some thousands."""
    plain = email.strip().lower()
    return frozenset(digest(each) for each in {plain, normalised(plain), *_written(normalised(plain))})


def _written(normal: str) -> Iterator[str]:
    """Other ways to write a normalised address that reach the same box."""
    local, _, domain = normal.rpartition("@")
    domains = sorted(GOOGLE) if domain in GOOGLE else [domain]
    for each in domains:
        yield f"{local}@{each}"
        if each in TAGGED:
            yield from (f"{local}+{tag}@{each}" for tag in LIKELY_TAGS)
        if each in GOOGLE and len(local) <= MOST_DOTTED:
            yield from (f"{dotted}@{each}" for dotted in _dotted(local))


def _dotted(local: str) -> Iterator[str]:
    """A local part with dots at every choice of its gaps."""
    for choice in range(1, 2 ** max(0, len(local) - 1)):
        yield "".join(
            letter + ("." if choice >> place & 1 and place < len(local) - 1 else "")
            for place, letter in enumerate(local)
        )


def is_disposable(domain: str) -> bool:
    """Whether a domain, or one above it, gives out throw-away addresses, as a list kept by others says."""
    from disposable_email_domains import blocklist  # a megabyte, which only the clock needs

    labels = domain.strip().lower().rstrip(".").split(".")
    return any(".".join(labels[place:]) in blocklist for place in range(len(labels) - 1))
