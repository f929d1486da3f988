"""The proof that what is kept of links beside the clicks equals the clicks: tallies, days and referrers, summed again."""

from typing import Any

from sqlalchemy import case, func
from sqlalchemy import select as select_columns
from sqlmodel import col, select

from core.db import session
from referrals.clicks import Click, LinkTally
from referrals.link_days import HANDHELD, LinkDay
from referrals.link_referrers import LinkReferrer


def differences() -> list[str]:
    """Every link whose tally, day or referrer differs from its counted clicks, as sentences; none is the proof."""
    facts = _facts()
    days = {(row.link_id, row.day): (row.clicks, row.handheld) for row in session().exec(select(LinkDay))}
    tallies = {row.link_id: row.clicks for row in session().exec(select(LinkTally))}
    sums: dict[str, int] = {}
    for (link, _day), (clicks, _handheld) in facts.items():
        sums[link] = sums.get(link, 0) + clicks
    sent = {(row.link_id, row.host): row.clicks for row in session().exec(select(LinkReferrer))}
    return [
        *_compare("day", facts, days, (0, 0)),
        *_compare("tally", sums, tallies, 0),
        *_compare("referrer", _sent(), sent, 0),
    ]


def _facts() -> dict[tuple[str, int], tuple[int, int]]:
    """(link, day) → counted clicks, and how many of them from phones and tablets."""
    handheld = func.sum(case((col(Click.device).in_(HANDHELD), 1), else_=0))
    counted = select_columns(col(Click.link_id), col(Click.day), func.count(), handheld)
    grouped = counted.where(col(Click.counted).is_(True)).group_by(col(Click.link_id), col(Click.day))
    return {(link, day): (int(clicks), int(held)) for link, day, clicks, held in session().execute(grouped)}


def _sent() -> dict[tuple[str, str], int]:
    """(link, host) → the counted clicks that the host sent."""
    counted = select_columns(col(Click.link_id), col(Click.referrer_host), func.count())
    named = counted.where(col(Click.counted).is_(True), col(Click.referrer_host) != "")
    grouped = named.group_by(col(Click.link_id), col(Click.referrer_host))
    return {(link, host): int(clicks) for link, host, clicks in session().execute(grouped)}


def _compare(table: str, expected: dict[Any, Any], stored: dict[Any, Any], nothing: object) -> list[str]:
    places = sorted(expected.keys() | stored.keys())
    return [
        f"{table} of link {place}: the clicks say {expected.get(place, nothing)}, it has {stored.get(place, nothing)}"
        for place in places
        if expected.get(place, nothing) != stored.get(place, nothing)
    ]
