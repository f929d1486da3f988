"""Share links: a code, where it leads, whose it is, from when until when."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Index, Text, or_, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, SQLModel, col, func, select

from advocates.membership import Membership, get_membership
from core import audit
from core.access import RULE, Actor
from core.clock import now
from core.columns import UtcDateTime, key, moment
from core.db import run, session, update_one
from core.errors import Conflict, NotFound
from core.people import get_person
from core.settings import settings
from hub.programmes import Programme, get_programme
from hub.utm import filled
from referrals.conversions.rights import right_to_earn
from referrals.links import codes, destinations, tier_campaigns
from referrals.links.link_dates import require_dates

MOST_LINKS = 200
TRIES = 8


def _shape(context: Any) -> str:  # noqa: ANN401 - SQLAlchemy's context of an INSERT
    return codes.shape_of(context.get_current_parameters()["code"])


def _coupon_since(context: Any) -> datetime | None:  # noqa: ANN401 - as above
    return now() if context.get_current_parameters().get("coupon") else None


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
    coupon_since: datetime | None = Field(
        default=None, sa_column=Column(UtcDateTime, nullable=True, default=_coupon_since)
    )
    """None with a coupon: since ever, as far as anybody knows"""
    campaign: str = Field(default="", sa_type=Text)
    starts_at: datetime = moment(now)
    ends_at: datetime | None = moment(optional=True)
    code_shape: str = Field(default=None, sa_column=Column(Text, nullable=False, default=_shape))
    """what the code looks like, so that no other is taken for it"""
    version: int = Field(index=True, sa_type=BigInteger)
    """grows with every change of any link, so that a web process reads only what it does not know yet"""

    def runs_at(self, at: datetime) -> bool:
        """Whether the link forwards at a moment."""
        return self.starts_at <= at and not self.ended_at(at)

    def ended_at(self, at: datetime) -> bool:
        """Whether the link has ended by a moment."""
        return self.ends_at is not None and self.ends_at <= at


Index("uq_link_code_shape", col(Link.code_shape), unique=True)


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


class LooksLikeAnother(Conflict):
    """This code looks like another one: 0 and o, 1, l and i are taken for each other. Please choose another."""


class CouponTaken(Conflict):
    """This coupon is already in use. Please choose another."""


class TooManyLinks(Conflict):
    """That is more links than one advocate can have. End one that is not used any more."""


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

    Raises NoRightToEarn, TooManyLinks, ForATier, CodeTaken, LooksLikeAnother, CouponTaken, StartsTooEarly, EndsTooEarly, and
    what codes and destinations refuse.
    """
    right = right_to_earn(membership.id, now())
    if not right.earns:
        raise NoRightToEarn(details={"missing": list(right.missing)})
    if _how_many(membership.id) >= MOST_LINKS:
        raise TooManyLinks
    programme = get_programme(membership.programme_id)
    if campaign:
        tier_campaigns.require(tier_campaigns.kept_in(programme.id), membership.id, campaign)
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
        version=next_version(),
    )
    require_dates(wanted.starts_at, wanted.ends_at)
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
    version = next_version()
    running = update(Link).where(col(Link.id) == link.id, _not_ended())
    if not update_one(running.values(ends_at=now(), version=version)):
        raise AlreadyEnded
    session().refresh(link)
    audit.record(by, "link.ended", "link", link.id, unit_id=link.unit_id, details={"code": link.code})


def programme_changed(programme_id: str) -> None:
    """Reaction: the links of a programme that changed are read again by every web process."""
    own = update(Link).where(col(Link.programme_id) == programme_id)
    run(own.values(version=next_version()).execution_options(synchronize_session="fetch"))


def address_of(link: Link) -> str:
    """What is shared."""
    return f"{settings().address}/r/{link.code}"


def utm_of(code: str, campaign: str, programme: Programme, unit_slug: str) -> dict[str, str]:
    """The UTM parameters of a link, as its programme wants them; without a campaign the programme stands for it."""
    values = {
        "code": code,
        "campaign": campaign or programme.slug,
        "programme": programme.slug,
        "unit": unit_slug,
    }
    return filled(programme.utm_template, values)


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


def next_version() -> int:
    """For whoever changes links: one more than any link has; the row stays locked until the commit, so versions appear in their order."""
    if run(update(LinkChange).where(col(LinkChange.id) == 1).values(version=LinkChange.version + 1)) == 0:
        session().add(LinkChange(id=1, version=1))
        session().flush()
    return session().exec(select(LinkChange.version).where(LinkChange.id == 1)).one()


def _stored(link: Link, *, code: str | None, name: str) -> Link:
    """The link under its code, or under a generated one; raises CodeTaken, LooksLikeAnother, CouponTaken."""
    link.code = _free(codes.require_code(code)) if code else _made_up(name)
    if link.coupon is not None and find_coupon(link.coupon) is not None:
        raise CouponTaken
    try:
        with session().begin_nested():
            session().add(link)
    except IntegrityError as error:  # two at once chose the same
        raise CodeTaken from error
    return link


def _free(code: str) -> str:
    same = session().exec(select(Link.code).where(Link.code_shape == codes.shape_of(code))).first()
    if same is not None:
        raise CodeTaken if same == code else LooksLikeAnother
    return code


def _made_up(name: str) -> str:
    for _ in range(TRIES):
        try:
            return _free(codes.generate(name))
        except (CodeTaken, LooksLikeAnother):
            continue
    raise CodeTaken
