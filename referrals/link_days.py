"""What a link brought by day: counted clicks, added up in the step that stores them, so that a chart costs no scan."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from functools import lru_cache

from sqlalchemy import BigInteger, Integer, Text, text
from sqlmodel import Field, SQLModel, col, select

from core.clock import day_number
from core.db import dialect, session
from referrals.journal import ClickRecord

HANDHELD = frozenset({"mobile", "tablet"})
DAY_MS = 86_400_000


class LinkDay(SQLModel, table=True):
    """The counted clicks of a link on a day (YYYYMMDD, UTC)."""

    __tablename__ = "link_day"
    # Found by its key only: on SQLite the key is the table.
    __table_args__ = {"sqlite_with_rowid": False}

    link_id: str = Field(primary_key=True, sa_type=Text)
    day: int = Field(primary_key=True, sa_type=Integer)
    clicks: int = Field(sa_type=BigInteger)
    handheld: int = Field(sa_type=BigInteger)
    """how many of them came from a phone or a tablet"""


_SQLITE = text("""
    INSERT INTO link_day VALUES (:link_id, :day, :clicks, :handheld)
    ON CONFLICT (link_id, day) DO UPDATE SET
        clicks = link_day.clicks + excluded.clicks, handheld = link_day.handheld + excluded.handheld
""")
_POSTGRESQL = text("""
    INSERT INTO link_day SELECT * FROM unnest(
        CAST(:link_id AS text[]), CAST(:day AS integer[]), CAST(:clicks AS bigint[]), CAST(:handheld AS bigint[])
    )
    ON CONFLICT (link_id, day) DO UPDATE SET
        clicks = link_day.clicks + excluded.clicks, handheld = link_day.handheld + excluded.handheld
""")


def add(clicks: Iterable[ClickRecord]) -> None:
    """Add counted clicks to their links' days, one statement a batch; call it in the transaction that stores them."""
    sums: dict[tuple[str, int], list[int]] = {}
    for each in clicks:
        total = sums.setdefault((each.link_id, _day(each.occurred_ms // DAY_MS)), [0, 0])
        total[0] += 1
        total[1] += each.device in HANDHELD
    # Sorted: two transactions that touch the same rows take them in the same order.
    rows = [
        {"link_id": link, "day": day, "clicks": total[0], "handheld": total[1]}
        for (link, day), total in sorted(sums.items())
    ]
    if not rows:
        return
    if dialect() == "postgresql":
        session().execute(_POSTGRESQL, {name: [row[name] for row in rows] for name in rows[0]})
    else:
        session().execute(_SQLITE, rows)


def clicks_by_day(link_id: str, first: date, last: date) -> dict[int, LinkDay]:
    """Day (YYYYMMDD) → what the link had on it, both ends included; days without a click are left out."""
    days = select(LinkDay).where(
        LinkDay.link_id == link_id, col(LinkDay.day).between(int(f"{first:%Y%m%d}"), int(f"{last:%Y%m%d}"))
    )
    return {row.day: row for row in session().exec(days.order_by(col(LinkDay.day)))}


@lru_cache(maxsize=64)
def _day(since_1970: int) -> int:
    return day_number(datetime.fromtimestamp(since_1970 * (DAY_MS // 1_000), UTC))
