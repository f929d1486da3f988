"""How the address of a link is put together for a visitor; where it may lead says hub/destinations.py."""

from collections.abc import Mapping
from urllib.parse import quote, unquote_plus, urlsplit, urlunsplit

from hub.destinations import DestinationTooLong, HostNotAllowed, WrongDestination, allowed

__all__ = ["DestinationTooLong", "HostNotAllowed", "WrongDestination", "allowed", "around_token"]

TOKEN_FIELD = "spk"  # noqa: S105 - the name of a query field, no secret


def around_token(destination: str, utm: Mapping[str, str]) -> tuple[str, str]:
    """What stands before and after the click token in the address a visitor is sent to, with these UTM parameters.

    Parameters that the destination brings itself stay as they are.
    """
    parts = urlsplit(destination)
    own = [each for each in parts.query.split("&") if each and _name(each) != TOKEN_FIELD]
    known = set(map(_name, own))
    added = [f"{name}={quote(value, safe='')}" for name, value in utm.items() if name not in known]
    query = "&".join([*own, *added, f"{TOKEN_FIELD}="])
    before = urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
    return before, f"#{parts.fragment}" if parts.fragment else ""


def _name(field: str) -> str:
    """Of a query field, as whoever is visited reads it: `utm%5Fmedium` is `utm_medium`."""
    return unquote_plus(field.partition("=")[0])
