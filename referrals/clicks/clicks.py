"""Clicks in the database: moved from the journal in batches, each exactly once, with the scoreboard in the same step."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import repeat
from pathlib import Path

import structlog
from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    MetaData,
    Table,
    Text,
    delete,
    func,
    update,
)
from sqlalchemy import select as select_columns
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import Field, SQLModel, col, select

from core import driver
from core.db import dialect, run, session, transaction, update_one
from core.rollups import grow_selected, pile, table_of
from core.settings import settings
from hub import metrics
from referrals.clicks import journal, link_days, link_referrers, lost_clicks
from referrals.clicks.click_ids import ms_of
from referrals.clicks.journal_lines import COLUMNS, Counted, Piece, by_referrer, counted, id_of, stored

log = structlog.get_logger()

# Wide enough that the sums of one advocate are written once for many clicks, short enough that others may write in between.
BATCH = 50_000
BATCHES_PER_SEGMENT = 200
CHUNK = 500
_COPY = f"COPY click ({', '.join(COLUMNS)}) FROM STDIN"
_VALUES = ", ".join("?" for _ in COLUMNS)
_INSERT = f"INSERT INTO click ({', '.join(COLUMNS)}) VALUES ({_VALUES}) ON CONFLICT DO NOTHING"  # noqa: S608 - our own words
_TAKEN = Table(
    "taken_click",
    MetaData(),
    *(Column("unit_id", Text), Column("membership_id", Text), Column("link_id", Text)),
    *(Column("day", Integer), Column("handheld", Integer), Column("clicks", BigInteger)),
)
"""the counted clicks of a batch, while it is taken in"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Click(SQLModel, table=True):
    """A visit by a link; also those that do not count, with the flags that say why."""

    __tablename__ = "click"
    # No second index: a time-ordered key keeps the cost of a click the same from the first to the ten-millionth.
    __table_args__ = {"sqlite_with_rowid": False}

    id: str = Field(primary_key=True, sa_type=Text)
    """says when it was"""
    link_id: str = Field(sa_type=Text)
    """says whose it is: what of a link that is, never changes"""
    day: int = Field(sa_type=Integer)
    """YYYYMMDD, UTC"""
    counted: bool
    flags: str = Field(default="", sa_type=Text)
    """of head, prefetch, embedded, bot, private, separated by commas"""
    visitor_hash: str = Field(default="", sa_type=Text)
    device: str = Field(default="", sa_type=Text)
    referrer_host: str = Field(default="", sa_type=Text)
    country: str = Field(default="", sa_column_kwargs={"server_default": ""}, sa_type=Text)
    """two letters, where a proxy in front of us tells it (COUNTRY_HEADER)"""

    @property
    def occurred_at(self) -> datetime:
        """When it was."""
        return moment_of(ms_of(self.id))


class LinkTally(SQLModel, table=True):
    """How many counted clicks a link has; grows in the step that stores the clicks."""

    __tablename__ = "link_tally"
    __table_args__ = {"sqlite_with_rowid": False}

    link_id: str = Field(primary_key=True, sa_type=Text)
    clicks: int = Field(sa_type=BigInteger)


class JournalOffset(SQLModel, table=True):
    """How far a segment of the journal is in the database."""

    __tablename__ = "journal_offset"

    segment: str = Field(primary_key=True, sa_type=Text)
    offset: int = Field(sa_type=BigInteger)


class _Beaten(Exception):
    """Another ingester was here first."""


class _SomeKnown(Exception):
    """Some of these clicks are in the database already."""


def moment_of(ms: int) -> datetime:
    """The moment of milliseconds since 1970."""
    return _EPOCH + timedelta(milliseconds=ms)


def folder() -> Path:
    """Where this machine's journal is."""
    return settings().data_dir / "journal"


def ingest() -> int:
    """Move what the journal has into the database; answers how many clicks. Safe to run twice at once.

    A segment that cannot be read does not keep the others: they are taken in, and then its OSError is raised.
    """
    taken, unread = 0, None
    for segment in journal.segments(folder()):
        try:
            taken += _take(segment)
        except OSError as error:
            log.error("segment of the journal not read", segment=segment.name, reason=str(error))  # noqa: TRY400 - the reason says it
            unread = error
    if unread is not None:
        raise unread
    return taken


def journal_lag() -> int:
    """How many bytes of the journal are not in the database yet; call it in a transaction."""
    offsets = {row.segment: row.offset for row in session().exec(select(JournalOffset))}
    lag = 0
    for segment in journal.segments(folder()):
        try:
            lag += max(0, segment.stat().st_size - offsets.get(segment.name, 0))
        except FileNotFoundError:  # taken in just now
            continue
    return lag


def clicks_of_links(link_ids: Sequence[str]) -> dict[str, int]:
    """Link → how many counted clicks it has."""
    tallies = select(LinkTally).where(col(LinkTally.link_id).in_(link_ids))
    return {row.link_id: row.clicks for row in session().exec(tallies)}


def store(records: Sequence[bytes]) -> int:
    """Put the records of clicks into the database, scoreboard and tallies with them; answers how many were new."""
    fresh = records
    if not _all_inserted(
        fresh
    ):  # a segment was read again: rare, so only now it is asked which of its clicks are new
        fresh = _unknown(records)
        _insert(fresh)
    _add_up(counted(fresh))
    link_referrers.add(by_referrer(fresh))
    return len(fresh)


def _take(segment: Path) -> int:
    taken = 0
    try:
        finished = journal.is_finished(segment)
        lost_clicks.note(segment)
        offset, end = _offset(segment.name), segment.stat().st_size
        for _ in range(BATCHES_PER_SEGMENT):
            if offset >= end:  # what came meanwhile waits for the next second: few clicks at a time are dear
                break
            piece = journal.read(segment, offset, finished=finished, most=BATCH)
            if piece.end == offset:
                break
            _step(segment.name, offset, piece)
            taken, offset = taken + len(piece.records), piece.end
        if finished and offset >= segment.stat().st_size:
            _put_away(segment)
    except FileNotFoundError:  # another ingester put it away: nothing is lost, nothing is twice
        _forget(segment)
    except (
        _Beaten,
        _SomeKnown,
    ):  # another ingester has it, or the same clicks from another segment at this moment
        return taken
    return taken


def _step(segment: str, offset: int, piece: Piece) -> None:
    """One batch: the offset moves on from exactly where it was, or everything is undone."""
    if piece.broken:
        log.error("broken lines in the journal", segment=segment, lines=piece.broken)
    with transaction():
        if not _move_on(segment, offset, piece.end):
            raise _Beaten
        store(piece.records)


def _offset(segment: str) -> int:
    with transaction(read_only=True):
        row = session().get(JournalOffset, segment)
        return row.offset if row else 0


def _move_on(segment: str, offset: int, end: int) -> bool:
    if offset:
        here = update(JournalOffset).where(
            col(JournalOffset.segment) == segment, col(JournalOffset.offset) == offset
        )
        return update_one(here.values(offset=end))
    insert = pg_insert if dialect() == "postgresql" else sqlite_insert
    first = insert(table_of(JournalOffset)).values(segment=segment, offset=end)
    return run(first.on_conflict_do_nothing().execution_options(preserve_rowcount=True)) == 1


def _put_away(segment: Path) -> None:
    """The clicks are committed: empty the file, forget its offset, delete it; after a kill anywhere the next run goes on.

    Emptied first, since without its offset it is read from its beginning; deleted last, since without it nobody comes back.
    """
    journal.empty(segment)
    _forget(segment)
    journal.remove(segment)


def _forget(segment: Path) -> None:
    """Forget how far a segment was taken in; its name never comes again."""
    with transaction():
        session().execute(delete(JournalOffset).where(col(JournalOffset.segment) == segment.name))


def _all_inserted(records: Sequence[bytes]) -> bool:
    """Insert all of them; whether that went well. Nothing is inserted when some were there already."""
    try:
        with session().begin_nested():
            return _insert(records)
    except _SomeKnown:
        return False


def _insert(records: Sequence[bytes]) -> bool:
    """Insert as the databases do it fastest: lines as they are into PostgreSQL, tuples without end into SQLite."""
    if dialect() == "postgresql":
        _copy(records)
        return True
    lines = b"\n".join(stored(records)).decode().split("\n") if records else []
    # The numbers among the texts become numbers by their columns' affinity.
    if driver.connection().executemany(_INSERT, map(str.split, lines, repeat("\t"))).rowcount != len(records):
        raise _SomeKnown
    return True


def _copy(records: Sequence[bytes]) -> None:
    from psycopg.errors import UniqueViolation  # 8 MiB in every process; here it is loaded already

    try:
        with driver.connection().cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.write(b"\n".join([*stored(records), b""]))
    except UniqueViolation:
        raise _SomeKnown from None


def _unknown(records: Sequence[bytes]) -> list[bytes]:
    """Those that are not in the database, each once."""
    by_id = {id_of(each): each for each in records}
    ids = sorted(by_id)
    for start in range(0, len(ids), CHUNK):
        known = select(Click.id).where(col(Click.id).in_(ids[start : start + CHUNK]))
        for each in session().exec(known).all():
            del by_id[each]
    return list(by_id.values())


def _add_up(clicks: Sequence[Counted]) -> None:
    """Scoreboard and tallies of counted clicks, added up by the database."""
    pile(_TAKEN, clicks)
    link_days.add(_TAKEN)
    c = _TAKEN.c
    links = select_columns(c.link_id, func.sum(c.clicks)).group_by(c.link_id).order_by(c.link_id)
    grow_selected(table_of(LinkTally), links, sums=("clicks",))
    for day in sorted({each.day for each in clicks}):
        sums = func.min(c.unit_id).label("unit_id"), func.sum(c.clicks).label("value")
        gains = select_columns(c.membership_id.label("member_id"), *sums).where(c.day == day)
        metrics.add_selected("clicks", day, gains.group_by(c.membership_id))
