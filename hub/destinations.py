"""Where links may lead: full addresses on the hosts that a programme lists."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit

from werkzeug.urls import iri_to_uri

from core.errors import Invalid

MAX_LENGTH = 2_000
USUAL_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")


class WrongDestination(Invalid):
    """Please give a full address that starts with https:// or http://, without a name and password in it."""


class DestinationTooLong(WrongDestination):
    """An address has up to 2,000 characters, and letters like ü count for six: they are sent as %C3%BC."""


class HostNotAllowed(Invalid):
    """Links of this programme do not lead to that host."""


class WrongHost(Invalid):
    """A host is written like shop.example, or shop.example:8443."""


def hosts_in(typed: Iterable[str]) -> list[str]:
    """Hosts as destinations are held against them, each once: plain ASCII, with the port where it is unusual.

    Raises WrongHost.
    """
    return list(dict.fromkeys(map(_host, typed)))


def _host(typed: str) -> str:
    try:
        parts = urlsplit(iri_to_uri(f"//{typed}"))
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except (ValueError, UnicodeError):
        host, port = "", None
    if any(each in "/?#@" for each in typed) or not _HOST.fullmatch(host) or port == 0:
        shown = "".join(each if each.isprintable() else "?" for each in typed[:100])
        raise WrongHost(f"“{shown}” is no host. {WrongHost.__doc__}")
    return host if port in {None, *USUAL_PORTS.values()} else f"{host}:{port}"


def allowed(destination: str, hosts: list[str]) -> str:
    """The destination as plain ASCII, when its host (with port, where unusual) is listed.

    Raises WrongDestination, HostNotAllowed.
    """
    if any(each < " " for each in destination.strip()):  # urlsplit would take them out without a word
        raise WrongDestination
    try:
        parts = urlsplit(iri_to_uri(destination.strip()))
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except (ValueError, UnicodeError) as error:
        raise WrongDestination from error
    if parts.scheme not in USUAL_PORTS or not host or "@" in parts.netloc:
        raise WrongDestination
    where = host if port in {None, USUAL_PORTS[parts.scheme]} else f"{host}:{port}"
    if where not in {each.lower() for each in hosts}:
        raise HostNotAllowed(details={"host": where[:200], "allowed": hosts})
    address = urlunsplit(parts._replace(netloc=where, path=parts.path or "/"))
    if not address.isascii() or any(each <= " " for each in address):
        raise WrongDestination
    if len(address) > MAX_LENGTH:
        raise DestinationTooLong
    return address
