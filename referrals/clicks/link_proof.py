"""The proof that what is kept of links beside the clicks equals the clicks: tallies, days and referrers, summed again.

The database sums and compares; only what differs comes to us, however many links and days there are.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import Label, Row, Select, Table, case, func, literal, or_, union_all
from sqlalchemy import select as select_columns
from sqlmodel import col

from core.db import session
from core.rollups import grow, hold, table_of
from referrals.clicks.clicks import Click, LinkTally
from referrals.clicks.link_days import HANDHELD, LinkDay
from referrals.clicks.link_referrers import LinkReferrer


class _Kept(NamedTuple):
    """A table of sums: what a row of it is called, and what it has to be by the clicks."""

    name: str
    table: Table
    key: tuple[str, ...]
    sums: tuple[str, ...]
    facts: Select[Any]
    """its columns, in its order, from the clicks"""


def differences() -> list[str]:
    """Every link whose tally, day or referrer differs from its counted clicks, as sentences; none is the proof."""
    return [
        f"{kept.name} of link {place}: the clicks say {_said(told)}, it has {_said(held)}"
        for kept in _all()
        for place, told, held in _wrong(kept)
    ]


def recount() -> int:
    """Set tallies, days and referrers to what the clicks sum to, while nobody adds to them; answers how many were wrong."""
    hold(*(kept.table for kept in _all()))
    wrong = 0
    for kept in _all():
        rows = [(*place, *map(int.__sub__, told, held)) for place, told, held in _wrong(kept)]
        grow(kept.table, rows, sums=kept.sums)
        wrong += len(rows)
    session().expire_all()
    return wrong


def _all() -> Iterator[_Kept]:
    link, day, host = col(Click.link_id), col(Click.day), col(Click.referrer_host)
    handheld = func.sum(case((col(Click.device).in_(HANDHELD), 1), else_=0))
    clicks = func.count().label("clicks")
    yield _Kept(
        "day", table_of(LinkDay), ("link_id", "day"), ("clicks", "handheld"),
        _counted(link, day, clicks, handheld.label("handheld")).group_by(link, day),
    )  # fmt: skip
    yield _Kept(
        "tally", table_of(LinkTally), ("link_id",), ("clicks",), _counted(link, clicks).group_by(link)
    )
    yield _Kept(
        "referrer", table_of(LinkReferrer), ("link_id", "host"), ("clicks",),
        _counted(link, host.label("host"), clicks).where(host != "").group_by(link, host),
    )  # fmt: skip


def _counted(*columns: Any) -> Select[Any]:  # noqa: ANN401 - columns of a SELECT
    return select_columns(*columns).where(col(Click.counted).is_(True))


def _wrong(kept: _Kept) -> Iterator[tuple[tuple[Any, ...], tuple[int, ...], tuple[int, ...]]]:
    """(key, what the clicks say, what is kept) wherever they differ; a row of nothing is as good as none."""
    facts = kept.facts.subquery()
    told = [facts.c[name].label(f"told_{name}") for name in kept.sums]
    held = [kept.table.c[name].label(f"held_{name}") for name in kept.sums]
    both = union_all(
        select_columns(*(facts.c[name] for name in kept.key), *told, *map(_nothing, held)),
        select_columns(*(kept.table.c[name] for name in kept.key), *map(_nothing, told), *held),
    ).subquery()
    columns = list(both.c)
    key, sums = columns[: len(kept.key)], [func.sum(each) for each in columns[len(kept.key) :]]
    halves = list(zip(sums[: len(told)], sums[len(told) :], strict=True))
    differing = or_(*(one != other for one, other in halves))
    rows: Any = session().execute(select_columns(*key, *sums).group_by(*key).having(differing).order_by(*key))
    return (_split(row, len(key)) for row in rows.all())


def _nothing(column: Label[Any]) -> Label[int]:
    return literal(0).label(column.name)


def _split(row: Row[Any], keys: int) -> tuple[tuple[Any, ...], tuple[int, ...], tuple[int, ...]]:
    numbers = [int(each) for each in row[keys:]]
    half = len(numbers) // 2
    return tuple(row[:keys]), tuple(numbers[:half]), tuple(numbers[half:])


def _said(sums: tuple[int, ...]) -> object:
    return sums[0] if len(sums) == 1 else sums
