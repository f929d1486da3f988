"""Changing a link: where it leads, its campaign, coupon and days; what was is on the audit log, clicks follow at once.

Of a link that has ended only the coupon can be taken, by itself or because another link gets it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from core import audit
from core.access import Actor
from core.clock import now
from core.db import session, update_one
from core.errors import Conflict
from hub.programmes import get_programme
from referrals.links import codes, destinations, former_coupons
from referrals.links.link_dates import require_dates
from referrals.links.links import AlreadyEnded, CouponTaken, Link, find_coupon, next_version
from referrals.links.tier_campaigns import kept_in, require, shape_of


@dataclass(frozen=True)
class LinkTerms:
    """What of a link can change, whole: a coupon or an end that is not named is taken away."""

    destination: str
    campaign: str
    coupon: str | None
    starts_at: datetime
    ends_at: datetime | None


class AlreadyStarted(Conflict):
    """This link has started: its first day cannot change any more."""


class LinkChanged(Conflict):
    """This link changed in the meantime. Please look at it again."""


def terms_of(link: Link) -> LinkTerms:
    """A link's terms as they are."""
    return LinkTerms(link.destination, link.campaign, link.coupon, link.starts_at, link.ends_at)


def change_link(link: Link, wanted: LinkTerms, *, by: Actor, seen_version: int) -> None:
    """Give a link these terms, if it is still as it was seen.

    Raises LinkChanged, AlreadyEnded, AlreadyStarted, StartsTooEarly, EndsTooEarly, CouponTaken, ForATier, and what codes and destinations refuse.
    """
    version = next_version()  # locks: what is read from here on stays so
    session().refresh(link)
    if link.version != seen_version:
        raise LinkChanged
    before, after = terms_of(link), _checked(link, wanted)
    differs = {name: value for name, value in asdict(after).items() if value != getattr(before, name)}
    if not differs:
        return
    if after.coupon is not None and "coupon" in differs:
        take_from_ended(after.coupon, link.programme_id, by=by)
    _write(link, differs, version)
    details = {name: [_plain(getattr(before, name)), _plain(value)] for name, value in differs.items()}
    audit.record(by, "link.changed", "link", link.id, unit_id=link.unit_id, details=details)


def gives_up_its_coupon(link: Link, programme_id: str) -> bool:
    """Whether a link of the programme can simply be given this link's coupon: this one is of the same, and has ended."""
    return link.programme_id == programme_id and link.ended_at(now())


def take_from_ended(coupon: str, programme_id: str, *, by: Actor) -> None:
    """Take a coupon from the link that has it, where a link of the programme can be given it; else nothing changes."""
    next_version()  # locks: of two who want it the second finds it taken
    link = find_coupon(coupon)
    if link is not None and gives_up_its_coupon(link, programme_id):
        change_link(link, replace(terms_of(link), coupon=None), by=by, seen_version=link.version)


def _checked(link: Link, wanted: LinkTerms) -> LinkTerms:
    """The terms as they are stored, when this link can have them."""
    if link.ended_at(now()) and wanted != replace(terms_of(link), coupon=None):
        raise AlreadyEnded
    if wanted.starts_at != link.starts_at and link.starts_at <= now():
        raise AlreadyStarted
    if (wanted.starts_at, wanted.ends_at) != (link.starts_at, link.ends_at):
        require_dates(max(wanted.starts_at, now()), wanted.ends_at)
    coupon = codes.require_coupon(wanted.coupon) if wanted.coupon else None
    has_it = find_coupon(coupon) if coupon else None
    if has_it is not None and has_it.id != link.id and not gives_up_its_coupon(has_it, link.programme_id):
        raise CouponTaken
    if shape_of(wanted.campaign) != shape_of(link.campaign):
        require(kept_in(link.programme_id), link.membership_id, wanted.campaign)
    hosts = get_programme(link.programme_id).allowed_hosts
    # A host that was taken off the list since does not keep a link from getting an end.
    same = wanted.destination == link.destination
    destination = link.destination if same else destinations.allowed(wanted.destination, hosts)
    return LinkTerms(destination, wanted.campaign, coupon, wanted.starts_at, wanted.ends_at)


def _write(link: Link, values: Mapping[str, object], version: int) -> None:
    if "coupon" in values:
        former_coupons.note(link)
        values = {**values, "coupon_since": now() if values["coupon"] else None}
    here = update(Link).where(col(Link.id) == link.id, col(Link.version) == link.version)
    try:
        with session().begin_nested():
            if not update_one(here.values(**values, version=version)):
                raise LinkChanged
    except IntegrityError as error:  # two at once chose the same coupon
        raise CouponTaken from error
    session().refresh(link)


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
