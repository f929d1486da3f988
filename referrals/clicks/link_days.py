"""What a link brought by day: counted clicks, added up in the step that stores them, so that a chart costs no scan."""

from datetime import date

from sqlalchemy import BigInteger, FromClause, Integer, Text, func
from sqlalchemy import select as select_columns
from sqlmodel import Field, SQLModel, col, select

from core.db import session
from core.rollups import grow_selected, table_of

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


def add(taken: FromClause) -> None:
    """Add clicks that were counted (a row for link, day and device at least) to their links' days."""
    c = taken.c
    days = select_columns(c.link_id, c.day, func.sum(c.clicks), func.sum(c.clicks * c.handheld))
    of = c.link_id, c.day
    grow_selected(table_of(LinkDay), days.group_by(*of).order_by(*of), sums=("clicks", "handheld"))


def clicks_by_day(link_id: str, first: date, last: date) -> dict[int, LinkDay]:
    """Day (YYYYMMDD) → what the link had on it, both ends included; days without a click are left out."""
    days = select(LinkDay).where(
        LinkDay.link_id == link_id, col(LinkDay.day).between(int(f"{first:%Y%m%d}"), int(f"{last:%Y%m%d}"))
    )
    return {row.day: row for row in session().exec(days.order_by(col(LinkDay.day)))}
