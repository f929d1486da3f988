"""Clicks that were forwarded while they could not be put on file (a full disk): counted, kept, shown to operators."""

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import BigInteger, Text
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import Field, SQLModel, col, select

from core.db import dialect, run, session, transaction
from referrals.clicks import journal


class LostClicks(SQLModel, table=True):
    """How many were lost by the process that wrote a segment of the journal, while it wrote it."""

    __tablename__ = "lost_clicks"

    segment: str = Field(primary_key=True, sa_type=Text)
    clicks: int = Field(sa_type=BigInteger)
    last_ms: int = Field(sa_type=BigInteger)
    """when the last of them was, in milliseconds since 1970"""

    @property
    def last_at(self) -> datetime:
        """When the last of them was."""
        return datetime.fromtimestamp(self.last_ms / 1_000, UTC)


def losses(folder: Path) -> list[LostClicks]:
    """Every loss, the latest first: those in the database, and those that only this machine's journal knows yet."""
    found = {row.segment: row for row in session().exec(select(LostClicks))}
    for segment in journal.segments(folder):
        here = _told_by(segment)
        if here is not None:
            found[segment.name] = here
    return sorted(found.values(), key=lambda each: -each.last_ms)


def note(segment: Path) -> None:
    """Keep in the database what a segment's writer lost; it tells the sum, so saying it twice changes nothing."""
    lost = _told_by(segment)
    if lost is None:
        return
    with transaction(read_only=True):
        noted = session().get(LostClicks, segment.name)
    if noted is None or noted.clicks < lost.clicks:
        _keep(lost)


def _told_by(segment: Path) -> LostClicks | None:
    try:
        lost = journal.lost(segment)
    except OSError:  # taken in just now, or not to be read: then taking it in says so
        return None
    return LostClicks(segment=segment.name, **lost._asdict()) if lost.clicks else None


def _keep(lost: LostClicks) -> None:
    insert = pg_insert if dialect() == "postgresql" else sqlite_insert
    row = insert(LostClicks).values(lost.model_dump())
    newer = {"clicks": row.excluded.clicks, "last_ms": row.excluded.last_ms}
    later = row.excluded.clicks > col(LostClicks.clicks)
    with transaction():
        run(row.on_conflict_do_update(index_elements=["segment"], set_=newer, where=later))
