"""The proof that what is kept of links beside the clicks equals the clicks: tallies, days and referrers, summed again."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Table, case, func
from sqlalchemy import select as select_columns
from sqlmodel import col, select

from core.db import session
from core.rollups import grow, hold, table_of
from referrals.clicks.clicks import Click, LinkTally
from referrals.clicks.link_days import HANDHELD, LinkDay
from referrals.clicks.link_referrers import LinkReferrer

Rows = dict[tuple[Any, ...], tuple[int, ...]]
"""key of a row → its sums"""


def differences() -> list[str]:
    """Every link whose tally, day or referrer differs from its counted clicks, as sentences; none is the proof."""
    return [
        f"{name} of link {place}: the clicks say {_said(facts, place)}, it has {_said(kept, place)}"
        for name, _table, _sums, facts, kept in _compared()
        for place in _wrong(facts, kept)
    ]


def recount() -> int:
    """Set tallies, days and referrers to what the clicks sum to, while nobody adds to them; answers how many were wrong."""
    hold(table_of(LinkDay), table_of(LinkTally), table_of(LinkReferrer))
    wrong = 0
    for _name, table, sums, facts, kept in _compared():
        nothing = (0,) * len(sums)
        rows = [
            (*place, *map(int.__sub__, facts.get(place, nothing), kept.get(place, nothing)))
            for place in _wrong(facts, kept)
        ]
        grow(table, rows, sums=sums)
        wrong += len(rows)
    session().expire_all()
    return wrong


def _compared() -> Iterator[tuple[str, Table, tuple[str, ...], Rows, Rows]]:
    """Name, table, summed columns, what the clicks say, what is kept."""
    days = _facts()
    tallies: Rows = {}
    for (link, _day), (clicks, _handheld) in days.items():
        tallies[link,] = (tallies.get((link,), (0,))[0] + clicks,)
    kept_days: Rows = {
        (row.link_id, row.day): (row.clicks, row.handheld) for row in session().exec(select(LinkDay))
    }
    kept_tallies: Rows = {(row.link_id,): (row.clicks,) for row in session().exec(select(LinkTally))}
    kept_hosts: Rows = {
        (row.link_id, row.host): (row.clicks,) for row in session().exec(select(LinkReferrer))
    }
    yield "day", table_of(LinkDay), ("clicks", "handheld"), days, kept_days
    yield "tally", table_of(LinkTally), ("clicks",), tallies, kept_tallies
    yield "referrer", table_of(LinkReferrer), ("clicks",), _sent(), kept_hosts


def _said(rows: Rows, place: tuple[Any, ...]) -> object:
    found = rows.get(place, (0,))
    return found[0] if len(found) == 1 else found


def _wrong(facts: Rows, kept: Rows) -> list[tuple[Any, ...]]:
    """A row of nothing is as good as none."""
    return [
        place
        for place in sorted(facts.keys() | kept.keys())
        if facts.get(place) != kept.get(place) and any((*facts.get(place, ()), *kept.get(place, ())))
    ]


def _facts() -> Rows:
    """(link, day) → counted clicks, and how many of them from phones and tablets."""
    handheld = func.sum(case((col(Click.device).in_(HANDHELD), 1), else_=0))
    counted = select_columns(col(Click.link_id), col(Click.day), func.count(), handheld)
    grouped = counted.where(col(Click.counted).is_(True)).group_by(col(Click.link_id), col(Click.day))
    return {(link, day): (int(clicks), int(held)) for link, day, clicks, held in session().execute(grouped)}


def _sent() -> Rows:
    """(link, host) → the counted clicks that the host sent."""
    counted = select_columns(col(Click.link_id), col(Click.referrer_host), func.count())
    named = counted.where(col(Click.counted).is_(True), col(Click.referrer_host) != "")
    grouped = named.group_by(col(Click.link_id), col(Click.referrer_host))
    return {(link, host): (int(clicks),) for link, host, clicks in session().execute(grouped)}
