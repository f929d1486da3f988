"""Which addresses we may be sent to by somebody else's words: public ones only, and in production by https only."""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from core.errors import Invalid
from core.settings import settings

LONGEST = 2_000
HTTPS, HTTP = 443, 80
FIRST_FREE_PORT = 1024
"""below it only the scheme's own port: the others belong to services that are no receivers"""
GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
NOT_PUBLIC = tuple(
    ipaddress.ip_network(each)
    for each in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "64:ff9b::/96", "64:ff9b:1::/48")
)
"""what older Pythons take for public: protocols' own, 6to4 (and its relays), Teredo, NAT64, which carry IPv4 in disguise"""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class WrongAddress(Invalid):
    """This is not an address that we may send to."""


class NotPublic(WrongAddress):
    """This name leads into a private network. Only receivers on the public internet can be reached."""


class NoSuchHost(WrongAddress):
    """There is no host of this name."""


@dataclass(frozen=True)
class Goal:
    """Where a request goes: the parts of its address."""

    scheme: str
    host: str
    port: int
    path: str
    """with the query"""


def goal_of(url: str) -> Goal:
    """The parts of an address that we may send to, as far as its letters tell; raises WrongAddress with the reason."""
    if len(url) > LONGEST or not url.isascii() or any(each <= " " or each in "\\\x7f" for each in url):
        raise WrongAddress(
            "Write the address in plain ASCII without spaces (a name in other letters as xn--…)."
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise WrongAddress from None
    allowed = ("https",) if settings().production else ("https", "http")
    if parts.scheme not in allowed or not parts.hostname:
        raise WrongAddress("The address has to start with https:// and name a host.")
    if "@" in parts.netloc or parts.fragment:
        raise WrongAddress("The address cannot hold a name, a password or a fragment (#).")
    own = HTTPS if parts.scheme == "https" else HTTP
    port = port if port is not None else own
    if port != own and port < FIRST_FREE_PORT:
        raise WrongAddress("Use https' own port 443, or one from 1024 on.")
    _require_plain(parts.hostname)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Goal(parts.scheme, parts.hostname, port, path)


def _require_plain(host: str) -> None:
    """Refuse numbers that only look like names (0x7f.1, 2130706433, 0177.0.0.1): systems read them as addresses."""
    looks_like_number = ":" in host or host.rstrip(".").rpartition(".")[2][:1].isdigit()
    if not looks_like_number:
        return
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise WrongAddress("Write an IP address in its usual form, or better a name.") from None
    if not may_reach(host):
        raise NotPublic


def resolve(host: str, port: int) -> list[str]:
    """The IP addresses of a host, each of them public; raises NoSuchHost, NotPublic.

    Asked once for each connection, and the answer is what is connected to: a name that changes its mind gains nothing.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NoSuchHost from error
    return checked([str(each[4][0]) for each in found])


def checked(addresses: Sequence[str]) -> list[str]:
    """The same addresses, without twins; raises NotPublic when a single one of them is not."""
    if not addresses:
        raise NoSuchHost
    if not all(map(may_reach, addresses)):
        raise NotPublic
    return list(dict.fromkeys(addresses))


def may_reach(written: str) -> bool:
    """Whether an IP address is one on the public internet (or, in development, this machine)."""
    try:
        address: Any = ipaddress.ip_address(written.partition("%")[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_loopback:
        return not settings().production
    return _is_public(address) and "%" not in written


def _is_public(address: Address) -> bool:
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    if any(address in each for each in NOT_PUBLIC):
        return False
    return isinstance(address, ipaddress.IPv4Address) or address in GLOBAL_UNICAST
