"""Clicks are forgotten once no sale can be theirs any more; what they added up to stays, and is a fact from then on.

The source of the rule is data protection: nothing about a visitor is kept longer than it is needed. A click may win a sale
for as long as its programme's attribution window lasts. The days before a boundary are gone together: what their clicks
counted is in `link_day`, where they came from is added up here, and the proof of the books takes both for facts.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Integer, ScalarSelect, Text, delete, func
from sqlalchemy import select as select_columns
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import Field, SQLModel, col, select

from core.clock import day_number, now
from core.db import dialect, run, session, transaction
from core.rollups import grow, table_of
from hub.programmes import longest_attribution
from referrals.clicks.click_ids import first_click_id, ms_of
from referrals.clicks.clicks import Click, moment_of

AT_ONCE = timedelta(days=2)
"""of clicks, the oldest first: a clock that is wrong for a moment costs no more, and one that was away catches up"""
BATCH = 10_000
MOST_BATCHES = 200
"""of a run: two million clicks an hour, and others get to write in between"""


class ForgottenDays(SQLModel, table=True):
    """Before which day the clicks are forgotten; one row, or none while nothing is."""

    __tablename__ = "forgotten_days"

    id: int = Field(default=1, primary_key=True, sa_type=Integer)
    before: int = Field(sa_type=Integer)
    """YYYYMMDD, UTC; it only moves on"""


class ForgottenReferrer(SQLModel, table=True):
    """How many counted clicks of a link that are forgotten a host had sent."""

    __tablename__ = "forgotten_referrer"
    __table_args__ = {"sqlite_with_rowid": False}

    link_id: str = Field(primary_key=True, sa_type=Text)
    host: str = Field(primary_key=True, sa_type=Text)
    clicks: int = Field(sa_type=BigInteger)


def forgotten_before() -> ScalarSelect[Any]:
    """For statements: the day (YYYYMMDD) before which the clicks are forgotten, 0 while none are."""
    return select_columns(func.coalesce(func.max(ForgottenDays.before), 0)).scalar_subquery()


def forget_clicks() -> int:
    """Job: delete the clicks of the days that ended before the longest attribution window began; answers how many."""
    with transaction():
        first = _first_kept()
        if first is None:
            return 0
        _move_on(day_number(first))
    gone = 0
    for _ in range(MOST_BATCHES):
        with transaction():
            number = _forget_some(first_click_id(first))
        gone += number
        if number < BATCH:
            break
    return gone


def _first_kept() -> datetime | None:
    """The beginning of the first day of which a click may still win a sale, or of the first that waits for the next run."""
    oldest = session().exec(select(Click.id).order_by(col(Click.id)).limit(1)).first()
    if oldest is None:
        return None
    begins = min(now() - timedelta(days=longest_attribution()), moment_of(ms_of(oldest)) + AT_ONCE)
    return begins.replace(hour=0, minute=0, second=0, microsecond=0)


def _move_on(before: int) -> None:
    insert = pg_insert if dialect() == "postgresql" else sqlite_insert
    row = insert(table_of(ForgottenDays)).values(id=1, before=before)
    later = col(ForgottenDays.before) < row.excluded.before
    run(row.on_conflict_do_update(index_elements=["id"], set_={"before": row.excluded.before}, where=later))


def _forget_some(first_kept: str) -> int:
    """Delete a batch, and add up where it came from; whoever deletes a click is who adds it, however many do at once."""
    oldest = select(Click.id).where(Click.id < first_kept).order_by(col(Click.id)).limit(BATCH)
    columns = col(Click.link_id), col(Click.referrer_host), col(Click.counted)
    going = delete(Click).where(col(Click.id).in_(oldest)).returning(*columns)
    gone = session().execute(going.execution_options(synchronize_session=False)).all()
    hosts = Counter((link_id, host) for link_id, host, counted in gone if counted and host)
    grow(
        table_of(ForgottenReferrer), [(*of, number) for of, number in sorted(hosts.items())], sums=("clicks",)
    )
    return len(gone)
