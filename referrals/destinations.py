"""Where a link may lead, and how its address is put together for a visitor."""

from urllib.parse import quote, urlsplit, urlunsplit

from werkzeug.urls import iri_to_uri

from core.errors import Invalid

MAX_LENGTH = 2_000
USUAL_PORTS = {"http": 80, "https": 443}
SOURCE, MEDIUM = "advocate", "referral"
TOKEN_FIELD = "spk"  # noqa: S105 - the name of a query field, no secret


class WrongDestination(Invalid):
    """Please give a full address that starts with https:// or http://, without a name and password in it."""


class HostNotAllowed(Invalid):
    """Links of this programme do not lead to that host."""


def allowed(destination: str, hosts: list[str]) -> str:
    """The destination as plain ASCII, when its host (with port, where unusual) is listed.

    Raises WrongDestination, HostNotAllowed.
    """
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


def around_token(destination: str, campaign: str) -> tuple[str, str]:
    """What stands before and after the click token in the address a visitor is sent to, UTM parameters included.

    Parameters that the destination brings itself stay as they are.
    """
    parts = urlsplit(destination)
    own = [each for each in parts.query.split("&") if each and each.partition("=")[0] != TOKEN_FIELD]
    known = {each.partition("=")[0] for each in own}
    utm = {"utm_source": SOURCE, "utm_medium": MEDIUM, "utm_campaign": campaign}
    added = [f"{name}={quote(value, safe='')}" for name, value in utm.items() if name not in known]
    query = "&".join([*own, *added, f"{TOKEN_FIELD}="])
    before = urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
    return before, f"#{parts.fragment}" if parts.fragment else ""
