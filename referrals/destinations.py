"""How the address of a link is put together for a visitor; where it may lead says hub/destinations.py."""

from urllib.parse import quote, urlsplit, urlunsplit

from hub.destinations import HostNotAllowed, WrongDestination, allowed

__all__ = ["HostNotAllowed", "WrongDestination", "allowed", "around_token"]

SOURCE, MEDIUM = "advocate", "referral"
TOKEN_FIELD = "spk"  # noqa: S105 - the name of a query field, no secret


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
