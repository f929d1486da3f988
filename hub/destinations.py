"""Where links may lead: full addresses on the hosts that a programme lists."""

from urllib.parse import urlsplit, urlunsplit

from werkzeug.urls import iri_to_uri

from core.errors import Invalid

MAX_LENGTH = 2_000
USUAL_PORTS = {"http": 80, "https": 443}


class WrongDestination(Invalid):
    """Please give a full address that starts with https:// or http://, without a name and password in it."""


class HostNotAllowed(Invalid):
    """Links of this programme do not lead to that host."""


def allowed(destination: str, hosts: list[str]) -> str:
    """The destination as plain ASCII, when its host (with port, where unusual) is listed.

    Raises WrongDestination, HostNotAllowed.
    """
    if any(each < " " for each in destination.strip()):  # urlsplit would take them out without a word
        raise WrongDestination
    try:
        parts = urlsplit(iri_to_uri(destination.strip()))
        host, port = parts.hostname, parts.port
    except (ValueError, UnicodeError) as error:
        raise WrongDestination from error
    if parts.scheme not in USUAL_PORTS or not host or "@" in parts.netloc or len(destination) > MAX_LENGTH:
        raise WrongDestination
    where = host if port in {None, USUAL_PORTS[parts.scheme]} else f"{host}:{port}"
    if where not in {each.lower() for each in hosts}:
        raise HostNotAllowed(details={"host": where[:200], "allowed": hosts})
    address = urlunsplit(parts._replace(netloc=where, path=parts.path or "/"))
    if not address.isascii() or any(each <= " " for each in address):
        raise WrongDestination
    return address
