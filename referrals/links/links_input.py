"""What people type of a link, in the portal and in the console."""

import re
from dataclasses import replace
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic.types import StringConstraints

from core.inputs import Input
from hub.programmes import get_programme
from referrals.links import link_dates
from referrals.links.link_changes import LinkTerms, terms_of
from referrals.links.links import Link


def _iso(given: object) -> object:
    """Refuse what pydantic would take for a day too: a number of seconds since 1970."""
    if isinstance(given, str) and not _DAY.fullmatch(given):
        raise ValueError("write a day as 2026-12-31")
    return given


_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
Day = Annotated[date, BeforeValidator(_iso)]
Code = Annotated[str, StringConstraints(max_length=40)]
Address = Annotated[str, StringConstraints(max_length=2_000)]
Campaign = Annotated[str, StringConstraints(max_length=60, pattern=r"^[\w .-]*$")]


class NewLink(Input):
    """A further link of one's own."""

    code: Code | None = None
    destination: Address | None = None
    campaign: Campaign = ""
    first_day: Day | None = None
    last_day: Day | None = None


class LinkChange(Input):
    """What an advocate changes of a link."""

    version: int = Field(ge=0, le=2**62)
    """what they saw"""
    destination: Address
    campaign: Campaign = ""
    first_day: Day | None = None
    """left out where the link has started"""
    last_day: Day | None = None


class StaffLinkChange(LinkChange):
    """What staff change of a link."""

    coupon: Code | None = None


def as_typed(link: Link) -> dict[str, object]:
    """A link's terms as its form shows them."""
    zone = get_programme(link.programme_id).zone
    return {
        "version": link.version,
        "destination": link.destination,
        "campaign": link.campaign,
        "coupon": link.coupon,
        "first_day": link_dates.first_day(link.starts_at, zone),
        "last_day": link_dates.last_day(link.ends_at, zone),
    }


def last_day_of(link: Link) -> date | None:
    """The last day of a link in its programme's time zone; None while it has no end."""
    return link_dates.last_day(link.ends_at, get_programme(link.programme_id).zone)


def terms_in(typed: LinkChange, link: Link) -> LinkTerms:
    """The terms that were typed; days that stayed as they were shown keep their exact moments.

    Raises StartsTooEarly, EndsTooEarly.
    """
    zone, known = get_programme(link.programme_id).zone, terms_of(link)
    if typed.first_day not in {None, link_dates.first_day(link.starts_at, zone)}:
        known = replace(known, starts_at=link_dates.first_moment(typed.first_day, zone))
    if typed.last_day != link_dates.last_day(link.ends_at, zone):
        known = replace(known, ends_at=link_dates.end_after(typed.last_day, zone))
    if isinstance(typed, StaffLinkChange):
        known = replace(known, coupon=typed.coupon)
    return replace(known, destination=typed.destination, campaign=typed.campaign)
