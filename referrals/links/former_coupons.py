"""Coupons that links had once: a sale that is told late is of whoever had its coupon when it was made."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Text
from sqlmodel import Field, SQLModel, select

from core.clock import now
from core.columns import key, moment
from core.db import session
from referrals.links.links import Link, find_coupon


class FormerCoupon(SQLModel, table=True):
    """A link had a coupon from then until then."""

    __tablename__ = "former_coupon"

    id: str = key()
    coupon: str = Field(index=True, sa_type=Text)
    link_id: str = Field(foreign_key="link.id", sa_type=Text)
    since: datetime | None = moment(optional=True)
    """None: since ever, as far as anybody knows"""
    until: datetime = moment(now)


class Holding(NamedTuple):
    """Until when a link had a coupon, and since when; in the order in which they ended."""

    until: datetime
    since: datetime | None
    link_id: str


def note(link: Link) -> None:
    """Keep that a link had its coupon until now, or until it ended; call it in the transaction that takes it from the link."""
    if link.coupon is not None:
        until = min(now(), link.ends_at or now())
        session().add(FormerCoupon(coupon=link.coupon, link_id=link.id, since=link.coupon_since, until=until))


def holder(coupon: str, at: datetime) -> Link | None:
    """The link that a coupon belongs to for a sale of a moment."""
    held = select(FormerCoupon.until, FormerCoupon.since, FormerCoupon.link_id)
    former = [Holding(*each) for each in session().exec(held.where(FormerCoupon.coupon == coupon.upper()))]
    link = find_coupon(coupon)
    whose = holder_among(former, link.id if link else None, at)
    return None if whose is None else session().get_one(Link, whose)


def holder_among(former: Sequence[Holding], holds_now: str | None, at: datetime) -> str | None:
    """The link that had a coupon at a moment; where none did the one that has it now, else the last that had it later.

    A coupon that is entered in the evening is found by the orders of the day, also where it was on the wrong link first.
    """
    later = sorted((each for each in former if at < each.until), key=lambda each: each.until)
    then = next((each.link_id for each in later if each.since is None or each.since <= at), None)
    return then or holds_now or (later[-1].link_id if later else None)
