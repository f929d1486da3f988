"""The proof that what is kept of links beside the clicks equals the clicks: tallies, days and referrers, summed again."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, Table
from sqlmodel import col

from core.db import session
from core.rollups import Differing, differing, grow, hold, table_of
from referrals.clicks import click_facts
from referrals.clicks.clicks import LinkTally
from referrals.clicks.forgetting import forgotten_before
from referrals.clicks.link_days import LinkDay
from referrals.clicks.link_referrers import LinkReferrer


class _Kept(NamedTuple):
    """A table of sums: what a row of it is called, and what it has to be by the clicks."""

    name: str
    table: Table
    sums: tuple[str, ...]
    facts: Select[Any]
    part: ColumnElement[bool] | None = None
    """what of it the facts are about, where that is not all"""

    def wrong(self) -> list[Differing]:
        """Its rows that are not what the clicks say."""
        return differing(self.table, self.facts, sums=self.sums, part=self.part)


def differences() -> list[str]:
    """Every link whose tally, day or referrer differs from its counted clicks, as sentences; none is the proof."""
    return [
        f"{kept.name} of link {each.place}: the clicks say {_said(each.told)}, it has {_said(each.held)}"
        for kept in _all()
        for each in kept.wrong()
    ]


def recount() -> int:
    """Set tallies, days and referrers to what the clicks sum to, while nobody adds to them; answers how many were wrong."""
    hold(*(kept.table for kept in _all()))
    wrong = 0
    for kept in _all():
        rows = [each.missing for each in kept.wrong()]
        grow(kept.table, rows, sums=kept.sums)
        wrong += len(rows)
    session().expire_all()
    return wrong


def _all() -> Iterator[_Kept]:
    remembered = col(LinkDay.day) >= forgotten_before()
    both = ("clicks", "handheld")
    yield _Kept("day", table_of(LinkDay), both, click_facts.remembered_by_day(), remembered)
    yield _Kept("tally", table_of(LinkTally), ("clicks",), click_facts.by_day())
    yield _Kept("referrer", table_of(LinkReferrer), ("clicks",), click_facts.by_referrer())


def _said(sums: tuple[int, ...]) -> object:
    return sums[0] if len(sums) == 1 else sums
