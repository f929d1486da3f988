"""What a link brought by day: counted clicks, added up in the step that stores them, so that a chart costs no scan."""

from collections.abc import Mapping
from datetime import date

from sqlalchemy import BigInteger, Integer, Text
from sqlmodel import Field, SQLModel, col, select

from core.db import session
from core.rollups import grow, table_of
from referrals.journal_lines import Whose

HANDHELD = frozenset({"mobile", "tablet"})


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


_TABLE = table_of(LinkDay)


def add(clicks: Mapping[Whose, int]) -> None:
    """Add counted clicks to their links' days, one statement a batch; call it in the transaction that stores them."""
    sums: dict[tuple[str, int], list[int]] = {}
    for whose, number in clicks.items():
        if whose.counted:
            total = sums.setdefault((whose.link_id, whose.day), [0, 0])
            total[0] += number
            total[1] += number * whose.handheld
    grow(_TABLE, [(*key, *total) for key, total in sorted(sums.items())], sums=("clicks", "handheld"))


def clicks_by_day(link_id: str, first: date, last: date) -> dict[int, LinkDay]:
    """Day (YYYYMMDD) → what the link had on it, both ends included; days without a click are left out."""
    days = select(LinkDay).where(
        LinkDay.link_id == link_id, col(LinkDay.day).between(int(f"{first:%Y%m%d}"), int(f"{last:%Y%m%d}"))
    )
    return {row.day: row for row in session().exec(days.order_by(col(LinkDay.day)))}
