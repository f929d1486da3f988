"""The proof that what is kept of links beside the clicks equals the clicks: tallies, days and referrers, summed again."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import Select, Table, case, func
from sqlalchemy import select as select_columns
from sqlmodel import col

from core.db import session
from core.rollups import differing, grow, hold, table_of
from referrals.clicks.clicks import Click, LinkTally
from referrals.clicks.link_days import HANDHELD, LinkDay
from referrals.clicks.link_referrers import LinkReferrer


class _Kept(NamedTuple):
    """A table of sums: what a row of it is called, and what it has to be by the clicks."""

    name: str
    table: Table
    sums: tuple[str, ...]
    facts: Select[Any]


def differences() -> list[str]:
    """Every link whose tally, day or referrer differs from its counted clicks, as sentences; none is the proof."""
    return [
        f"{kept.name} of link {each.place}: the clicks say {_said(each.told)}, it has {_said(each.held)}"
        for kept in _all()
        for each in differing(kept.table, kept.facts, sums=kept.sums)
    ]


def recount() -> int:
    """Set tallies, days and referrers to what the clicks sum to, while nobody adds to them; answers how many were wrong."""
    hold(*(kept.table for kept in _all()))
    wrong = 0
    for kept in _all():
        rows = [each.missing for each in differing(kept.table, kept.facts, sums=kept.sums)]
        grow(kept.table, rows, sums=kept.sums)
        wrong += len(rows)
    session().expire_all()
    return wrong


def _all() -> Iterator[_Kept]:
    link, day, host = col(Click.link_id), col(Click.day), col(Click.referrer_host)
    handheld = func.sum(case((col(Click.device).in_(HANDHELD), 1), else_=0)).label("handheld")
    clicks = func.count().label("clicks")
    days = _counted(link, day, clicks, handheld).group_by(link, day)
    yield _Kept("day", table_of(LinkDay), ("clicks", "handheld"), days)
    yield _Kept("tally", table_of(LinkTally), ("clicks",), _counted(link, clicks).group_by(link))
    hosts = _counted(link, host.label("host"), clicks).where(host != "").group_by(link, host)
    yield _Kept("referrer", table_of(LinkReferrer), ("clicks",), hosts)


def _counted(*columns: Any) -> Select[Any]:  # noqa: ANN401 - columns of a SELECT
    return select_columns(*columns).where(col(Click.counted).is_(True))


def _said(sums: tuple[int, ...]) -> object:
    return sums[0] if len(sums) == 1 else sums
