"""Links that machines ask for: each request opens one link, however often it is sent."""

from datetime import datetime

from sqlalchemy import Text, UniqueConstraint
from sqlmodel import Field, SQLModel, col, select

from advocates.membership import Membership, MembershipNotFound
from core.access import Actor
from core.clock import now
from core.columns import key, moment
from core.db import session
from core.errors import Conflict, Invalid
from core.people import Person
from hub.programmes import Programme, get_programme
from referrals.conversions.conversion_input import content_hash
from referrals.conversions.same_order import one_at_a_time
from referrals.links import destinations
from referrals.links.link_changes import take_from_ended
from referrals.links.link_input import WantedLink
from referrals.links.links import CodeTaken, Link, find_link, open_link


class LinkRequest(SQLModel, table=True):
    """A request with an Idempotency-Key, and the link that it opened."""

    __tablename__ = "link_request"
    __table_args__ = (UniqueConstraint("unit_id", "idempotency_key"),)

    id: str = key()
    unit_id: str = Field(foreign_key="unit.id", sa_type=Text)
    """of the key that asked"""
    idempotency_key: str = Field(sa_type=Text)
    content_hash: str = Field(sa_type=Text)
    link_id: str = Field(foreign_key="link.id", index=True, sa_type=Text)
    made_at: datetime = moment(now)


class RequestDiffers(Conflict):
    """This Idempotency-Key was used before, with other content."""


class ProgrammeNeeded(Invalid):
    """This person is an advocate in several programmes: name one."""


def advocate_meant(wanted: WantedLink, unit_ids: frozenset[str]) -> Membership:
    """The advocate of these units whom the request names; raises MembershipNotFound, ProgrammeNeeded."""
    held = (
        select(Membership, Programme.slug)
        .where(col(Membership.unit_id).in_(unit_ids), Membership.programme_id == Programme.id)
        .where(Membership.person_id == Person.id)
    )
    if wanted.advocate_id is not None:
        held = held.where(Membership.id == wanted.advocate_id)
    if wanted.email is not None:
        held = held.where(Person.email == wanted.email)
    if wanted.programme is not None:
        held = held.where(Programme.slug == wanted.programme)
    found = session().exec(held.order_by(Programme.slug)).all()
    if not found:
        raise MembershipNotFound
    if len(found) > 1:
        raise ProgrammeNeeded(details={"programmes": [slug for _member, slug in found]})
    return found[0][0]


def open_once(
    wanted: WantedLink, member: Membership, *, by: Actor, unit_id: str, idempotency_key: str | None
) -> tuple[Link, bool]:
    """The member's link that the request asks for, and whether it is new.

    The same request is known again by its idempotency key (within the key's unit), else by its code. Raises
    RequestDiffers, CodeTaken, and what open_link raises.
    """
    if idempotency_key is None:
        return _by_code(wanted, member, by)
    one_at_a_time(f"link request {unit_id} {idempotency_key}")
    known = select(LinkRequest).where(
        LinkRequest.unit_id == unit_id, LinkRequest.idempotency_key == idempotency_key
    )
    before = session().exec(known).first()
    if before is not None:
        if before.content_hash != content_hash(wanted):
            raise RequestDiffers
        return session().get_one(Link, before.link_id), False
    link, new = _by_code(wanted, member, by)
    session().add(
        LinkRequest(
            unit_id=unit_id,
            idempotency_key=idempotency_key,
            content_hash=content_hash(wanted),
            link_id=link.id,
        )
    )
    session().flush()
    return link, new


def _by_code(wanted: WantedLink, member: Membership, by: Actor) -> tuple[Link, bool]:
    if wanted.code is not None:
        one_at_a_time(f"link code {wanted.code.lower()}")
        known = find_link(wanted.code)
        if known is not None:
            if not _asks_for(wanted, known, member):
                raise CodeTaken
            return known, False
    if wanted.coupon is not None:
        take_from_ended(wanted.coupon, member.programme_id, by=by)
    link = open_link(
        member,
        by=by,
        code=wanted.code,
        destination=wanted.destination,
        coupon=wanted.coupon,
        campaign=wanted.campaign,
        starts_at=wanted.starts_at,
        ends_at=wanted.ends_at,
    )
    return link, True


def _asks_for(wanted: WantedLink, known: Link, member: Membership) -> bool:
    """Whether the link is what the request would open; dates that it does not name do not matter."""
    programme = get_programme(member.programme_id)
    leads_to = destinations.allowed(wanted.destination or programme.home_url, programme.allowed_hosts)
    coupon = None if wanted.coupon is None else wanted.coupon.upper()
    same = (member.id, leads_to, coupon, wanted.campaign)
    dates = ((wanted.starts_at, known.starts_at), (wanted.ends_at, known.ends_at))
    return same == (known.membership_id, known.destination, known.coupon, known.campaign) and all(
        asked in {None, held} for asked, held in dates
    )
