"""What the clicks say: the facts behind the scoreboard's clicks and behind what is kept of links."""

from typing import Any

from sqlalchemy import Select, case, func, literal, union_all
from sqlalchemy import select as select_columns
from sqlmodel import col

from referrals.clicks.clicks import Click
from referrals.clicks.forgetting import ForgottenReferrer, forgotten_before
from referrals.clicks.link_days import HANDHELD, LinkDay
from referrals.links.links import Link


def facts() -> Select[Any]:
    """(metric, member_id, unit_id, day, value) of all counted clicks; whether they earned is another question."""
    days = by_day().subquery().c  # a link's at once: fewer than the clicks to find the links of
    columns: list[Any] = [
        literal("clicks").label("metric"),
        col(Link.membership_id).label("member_id"),
        col(Link.unit_id).label("unit_id"),
        days.day,
        days.clicks.label("value"),
    ]
    return select_columns(*columns).where(col(Link.id) == days.link_id)


def by_day() -> Select[Any]:
    """(link_id, day, clicks) of all counted clicks; of days that are forgotten, as their days have it."""
    kept = remembered_by_day().subquery().c
    forgotten = select_columns(col(LinkDay.link_id), col(LinkDay.day), col(LinkDay.clicks))
    forgotten = forgotten.where(col(LinkDay.day) < forgotten_before())
    both = union_all(select_columns(kept.link_id, kept.day, kept.clicks), forgotten).subquery()
    return select_columns(both)


def remembered_by_day() -> Select[Any]:
    """(link_id, day, clicks, handheld) of the counted clicks of days that are not forgotten."""
    of: tuple[Any, ...] = (col(Click.link_id), col(Click.day))
    handheld = func.sum(case((col(Click.device).in_(HANDHELD), 1), else_=0)).label("handheld")
    counted: Select[Any] = select_columns(*of, func.count().label("clicks"), handheld)
    remembered = col(Click.counted).is_(True), col(Click.day) >= forgotten_before()
    return counted.where(*remembered).group_by(*of)


def by_referrer() -> Select[Any]:
    """(link_id, host, clicks) of all counted clicks that somebody sent."""
    of: tuple[Any, ...] = (col(Click.link_id), col(Click.referrer_host).label("host"))
    named = col(Click.counted).is_(True), col(Click.referrer_host) != ""
    kept = select_columns(*of, func.count().label("clicks")).where(*named).group_by(*of)
    gone = select_columns(
        col(ForgottenReferrer.link_id), col(ForgottenReferrer.host), col(ForgottenReferrer.clicks)
    )
    return select_columns(union_all(kept, gone).subquery())
