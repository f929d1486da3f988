"""Share links: a code, where it leads, whose it is, from when until when."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic_core import to_jsonable_python as jsonable
from sqlalchemy import BigInteger, ColumnElement, Text, or_, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, SQLModel, col, func, select

from advocates.membership import Membership, get_membership
from core import audit
from core.access import RULE, Actor
from core.clock import now
from core.columns import key, moment
from core.db import run, session, update_one
from core.errors import Conflict, Invalid, NotFound
from core.people import get_person
from hub.programmes import get_programme
from referrals import codes, destinations
from referrals.rights import right_to_earn

MOST_LINKS = 200
TRIES = 8


class Link(SQLModel, table=True):
    """A share link; it forwards for as long as it runs, and earns while its owner may."""

    __tablename__ = "link"

    id: str = key()
    code: str = Field(unique=True, sa_type=Text)
    """lower case; looked up without regard to case"""
    membership_id: str = Field(foreign_key="membership.id", index=True, sa_type=Text)
    programme_id: str = Field(foreign_key="programme.id", index=True, sa_type=Text)
    unit_id: str = Field(foreign_key="unit.id", index=True, sa_type=Text)
    destination: str = Field(sa_type=Text)
    coupon: str | None = Field(default=None, unique=True, sa_type=Text)
    """upper case"""
    campaign: str = Field(default="", sa_type=Text)
    starts_at: datetime = moment(now)
    ends_at: datetime | None = moment(optional=True)
    version: int = Field(index=True, sa_type=BigInteger)
    """grows with every change of any link, so that a web process reads only what it does not know yet"""

    def runs_at(self, at: datetime) -> bool:
        """Whether the link forwards at a moment."""
        return self.starts_at <= at and (self.ends_at is None or at < self.ends_at)


class LinkChange(SQLModel, table=True):
    """The version of the last changed link; its one row makes versions visible in their order."""

    __tablename__ = "link_change"

    id: int = Field(primary_key=True)
    version: int = Field(sa_type=BigInteger)


class LinkNotFound(NotFound):
    """There is no such link."""


class NoRightToEarn(Conflict):
    """A link needs an active term, a current certification and every policy acknowledged."""


class CodeTaken(Conflict):
    """This code is already in use. Please choose another."""


class CouponTaken(Conflict):
    """This coupon is already in use. Please choose another."""


class TooManyLinks(Conflict):
    """That is more links than one advocate can have. End one that is not used any more."""


class EndsTooEarly(Invalid):
    """A link ends after it starts, and not in the past."""


class AlreadyEnded(Conflict):
    """This link has ended already."""


def open_link(
    membership: Membership,
    *,
    by: Actor,
    code: str | None = None,
    destination: str | None = None,
    coupon: str | None = None,
    campaign: str = "",
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> Link:
    """Open a link of a member, who must have the right to earn now; without a code or destination they are chosen.

    It runs from `starts_at` (now) until `ends_at` (for good). Raises NoRightToEarn, TooManyLinks, CodeTaken,
    CouponTaken, EndsTooEarly, and what codes and destinations refuse.
    """
    right = right_to_earn(membership.id, now())
    if not right.earns:
        raise NoRightToEarn(details={"missing": list(right.missing)})
    if _how_many(membership.id) >= MOST_LINKS:
        raise TooManyLinks
    programme = get_programme(membership.programme_id)
    wanted = Link(
        code="",
        membership_id=membership.id,
        programme_id=programme.id,
        unit_id=programme.unit_id,
        destination=destinations.allowed(destination or programme.home_url, programme.allowed_hosts),
        coupon=None if coupon is None else codes.require_coupon(coupon),
        campaign=campaign,
        starts_at=starts_at or now(),
        ends_at=ends_at,
        version=_next_version(),
    )
    _require_order(wanted)
    link = _stored(wanted, code=code, name=get_person(membership.person_id).name)
    audit.record(by, "link.opened", "link", link.id, unit_id=link.unit_id, details={"code": link.code})
    return link


def open_first_link(membership_id: str) -> Link | None:
    """The first link of a member as soon as they may earn; None while they may not, or when they have one."""
    if links_of(membership_id) or not right_to_earn(membership_id, now()).earns:
        return None
    return open_link(get_membership(membership_id), by=RULE)


def end_link(link: Link, *, by: Actor) -> None:
    """End a link now: it stops forwarding, and what it brought stays. Raises AlreadyEnded."""
    version = _next_version()
    running = update(Link).where(col(Link.id) == link.id, _not_ended())
    if not update_one(running.values(ends_at=now(), version=version)):
        raise AlreadyEnded
    session().refresh(link)
    audit.record(by, "link.ended", "link", link.id, unit_id=link.unit_id, details={"code": link.code})


def change_link(link: Link, changes: Mapping[str, Any], *, by: Actor) -> None:
    """Give a link that has not ended another `destination`, `campaign` or `ends_at`; the same again changes nothing.

    Raises AlreadyEnded, EndsTooEarly, and what destinations refuse.
    """
    version = _next_version()  # whoever changes any link at the same time waits here
    session().refresh(link)
    if link.ends_at is not None and link.ends_at <= now():
        raise AlreadyEnded
    wanted = dict(changes)
    if "destination" in wanted:
        hosts = get_programme(link.programme_id).allowed_hosts
        wanted["destination"] = destinations.allowed(wanted["destination"], hosts)
    before = {name: getattr(link, name) for name in wanted}
    if wanted == before:
        return
    link.sqlmodel_update(wanted)
    if "ends_at" in wanted:
        _require_order(link)
    link.version = version
    session().add(link)
    session().flush()
    told = {"from": jsonable(before), "to": jsonable(wanted), "code": link.code}
    audit.record(by, "link.changed", "link", link.id, unit_id=link.unit_id, details=told)


def _require_order(link: Link) -> None:
    if link.ends_at is not None and link.ends_at <= max(link.starts_at, now()):
        raise EndsTooEarly


def programme_changed(programme_id: str) -> None:
    """Reaction: the links of a programme that changed are read again by every web process."""
    own = update(Link).where(col(Link.programme_id) == programme_id)
    run(own.values(version=_next_version()).execution_options(synchronize_session="fetch"))


def find_link(code: str) -> Link | None:
    """The link with this code, in upper or lower case."""
    return session().exec(select(Link).where(Link.code == code.lower())).first()


def get_link(code: str) -> Link:
    """The link with this code; raises LinkNotFound."""
    link = find_link(code)
    if link is None:
        raise LinkNotFound
    return link


def find_coupon(coupon: str) -> Link | None:
    """The link that a coupon belongs to."""
    return session().exec(select(Link).where(Link.coupon == coupon.upper())).first()


def links_of(membership_id: str) -> list[Link]:
    """The links of a member, those that have not ended first, the newest of each first."""
    held = select(Link).where(Link.membership_id == membership_id)
    order = (_not_ended().desc(), col(Link.id).desc())
    return list(session().exec(held.order_by(*order).limit(MOST_LINKS)).all())


def _how_many(membership_id: str) -> int:
    held = select(func.count()).where(Link.membership_id == membership_id, _not_ended())
    return session().exec(held).one()


def _not_ended() -> ColumnElement[bool]:
    return or_(col(Link.ends_at).is_(None), col(Link.ends_at) > now())


def _next_version() -> int:
    """One more than any link has; the row stays locked until the commit, so versions appear in their order."""
    if run(update(LinkChange).where(col(LinkChange.id) == 1).values(version=LinkChange.version + 1)) == 0:
        session().add(LinkChange(id=1, version=1))
        session().flush()
    return session().exec(select(LinkChange.version).where(LinkChange.id == 1)).one()


def _stored(link: Link, *, code: str | None, name: str) -> Link:
    """The link under its code, or under the first generated one that is free; raises CodeTaken, CouponTaken."""
    candidates = [codes.require_code(code)] if code else [codes.generate(name) for _ in range(TRIES)]
    for candidate in candidates:
        if find_link(candidate) is None:
            link.code = candidate
            break
    else:
        raise CodeTaken
    if link.coupon is not None and find_coupon(link.coupon) is not None:
        raise CouponTaken
    try:
        with session().begin_nested():
            session().add(link)
    except IntegrityError as error:  # two at once chose the same
        raise CodeTaken from error
    return link
