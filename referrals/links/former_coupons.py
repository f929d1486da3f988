"""Coupons that links had once: a sale that is told late is of whoever had its coupon when it was made."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Text
from sqlmodel import Field, SQLModel, select

from core.clock import now
from core.columns import key, moment
from core.db import session
from referrals.links.links import Link, find_coupon


class FormerCoupon(SQLModel, table=True):
    """A link had a coupon until then; since when is not asked: before somebody has it, the next holder's sales wait for it."""

    __tablename__ = "former_coupon"

    id: str = key()
    coupon: str = Field(index=True, sa_type=Text)
    link_id: str = Field(foreign_key="link.id", sa_type=Text)
    until: datetime = moment(now)


def note(link: Link) -> None:
    """Keep that a link had its coupon until now; call it in the transaction that takes it from the link."""
    if link.coupon is not None:
        session().add(FormerCoupon(coupon=link.coupon, link_id=link.id))


def holder(coupon: str, at: datetime) -> Link | None:
    """The link that a coupon belonged to at a moment, or that has it since."""
    former = select(FormerCoupon.until, FormerCoupon.link_id).where(FormerCoupon.coupon == coupon.upper())
    then = first_after(at, session().exec(former))
    return find_coupon(coupon) if then is None else session().get_one(Link, then)


def first_after(at: datetime, former: Iterable[tuple[datetime, str]]) -> str | None:
    """Of (until, link) of one coupon the link that had it at a moment, or was the next to have it and has it no more."""
    return min((each for each in former if at < each[0]), default=(at, None))[1]
