"""Where the clicks of a link came from: its clicks by referrer host, added up in the step that stores them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Text
from sqlmodel import Field, SQLModel, col, func, select

from core.db import session
from core.rollups import grow, table_of

MOST_SHOWN = 8


class LinkReferrer(SQLModel, table=True):
    """The counted clicks of a link that a host sent; clicks without a referrer are what is left of the link's tally."""

    __tablename__ = "link_referrer"
    __table_args__ = {"sqlite_with_rowid": False}

    link_id: str = Field(primary_key=True, sa_type=Text)
    host: str = Field(primary_key=True, sa_type=Text)
    clicks: int = Field(sa_type=BigInteger)


@dataclass(frozen=True)
class Sources:
    """Where all the clicks of a link came from: the hosts that sent most, what others sent, and what nobody named."""

    hosts: Sequence[tuple[str, int]]
    others: int
    direct: int
    """without a referrer: typed, from an app or a mail, or a browser that does not tell"""


_TABLE = table_of(LinkReferrer)


def add(clicks: Mapping[tuple[str, str], int]) -> None:
    """Add counted clicks by (link, host), one statement a batch; call it in the transaction that stores them."""
    grow(_TABLE, [(*key, number) for key, number in sorted(clicks.items())], sums=("clicks",))


def sources_of(link_id: str, clicks: int) -> Sources:
    """Where the `clicks` of a link came from, the hosts that sent most first."""
    own = LinkReferrer.link_id == link_id
    most = col(LinkReferrer.clicks).desc(), col(LinkReferrer.host)
    rows = session().exec(select(LinkReferrer).where(own).order_by(*most).limit(MOST_SHOWN)).all()
    named = int(session().exec(select(func.coalesce(func.sum(col(LinkReferrer.clicks)), 0)).where(own)).one())
    hosts = [(row.host, row.clicks) for row in rows]
    return Sources(hosts, named - sum(number for _host, number in hosts), max(0, clicks - named))
