"""The database: one engine, one transaction per request or step of a job, and the only `commit` there is."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, partial
from typing import Any, TypeVar, cast

from sqlalchemy import (
    Connection,
    CursorResult,
    Delete,
    Engine,
    Executable,
    Update,
    create_engine,
    event,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, SQLModel

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

T = TypeVar("T")
Hook = Callable[[], None]
SQLITE = (
    *("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"),
    "wal_autocheckpoint=4000",  # pages, 16 MiB: by itself every thousandth page written waits for the disk three times
)

RECYCLE_S = 900
"""a connection of SQLite is opened anew after that long: what it knows of the tables is of when it was opened"""
STATEMENTS = 1_000
"""prepared ones that a connection keeps"""
DEADLOCK = "40P01"
"""PostgreSQL's code"""
PAUSES_S = (0.02, 0.2)
"""at most, before the second and the third try"""

_engines: tuple[Engine, Engine] | None = None
"""for writing, and for reading only; of PostgreSQL they are the same"""
_current: ContextVar[Session | None] = ContextVar("session", default=None)
_before_commit: list[Hook] = []


def connect(url: str) -> Engine:
    """Make the database at `url` (SQLite or PostgreSQL) the one everybody uses; another's connections are closed."""
    global _engines  # noqa: PLW0603 - one process, one database
    wanted = _engines_for(url)
    if _engines is not wanted:
        disconnect()
        _engines = wanted
    return wanted[0]


@cache
def _engines_for(url: str) -> tuple[Engine, Engine]:
    """An address has its engines for good: the statements they compiled are kept when their connections are closed."""
    writing = create_engine(make_url(url), **_engine_options(url))
    event.listen(writing, "begin", _begin)
    if writing.dialect.name != "sqlite":
        return writing, writing
    # Connections of their own: to switch one between reading and writing makes SQLite prepare every statement again.
    reading = create_engine(make_url(url), **_engine_options(url))
    event.listen(reading, "begin", _begin_reading)
    for each, last_word in (writing, "cache_size=-16384"), (reading, "query_only=ON"):
        event.listen(each, "connect", partial(_prepare_sqlite, last_word))
        event.listen(each, "reset", _leave_nothing_open)
    return writing, reading


def _engine_options(url: str) -> dict[str, Any]:
    if url.startswith("sqlite"):
        return {
            # The one that was used last is used next: it knows its statements, and its pages are still right.
            "pool_size": 20,
            "pool_use_lifo": True,
            "pool_recycle": RECYCLE_S,
            "connect_args": {"timeout": 10, "check_same_thread": False, "cached_statements": STATEMENTS},
        }
    return {
        "pool_pre_ping": True,
        "pool_size": 10,
        "max_overflow": 10,
        "connect_args": {"options": "-c statement_timeout=30000 -c timezone=UTC"},
    }


def disconnect() -> None:
    """Close every connection to the database; harmless when there is none."""
    global _engines  # noqa: PLW0603 - as above
    if _engines is not None:
        for each in _engines:
            each.dispose()
        _engines = None


def engine() -> Engine:
    """The engine that everybody writes with."""
    if _engines is None:
        raise RuntimeError("connect() was not called: there is no database yet")
    return _engines[0]


def engines() -> tuple[Engine, ...]:
    """Every engine that transactions use: for writing and, of SQLite, for reading only."""
    return (engine(),) if _engines is None or _engines[1] is _engines[0] else _engines


def session() -> Session:
    """The session of the transaction that is open here; raises RuntimeError when none is."""
    current = _current.get()
    if current is None:
        raise RuntimeError("no transaction is open: the edge opens one with transaction()")
    return current


def in_transaction() -> bool:
    """Whether a transaction is open here."""
    return _current.get() is not None


@contextmanager
def transaction(*, read_only: bool = False) -> Iterator[Session]:
    """Run the block as one transaction: commit at its end, roll back when it raises.

    A read-only transaction is refused any write by the database itself (GET never writes), and everything it reads is of
    one moment: sums and the facts behind them, the pages of an export.
    """
    if in_transaction():
        raise RuntimeError("a transaction is already open: verbs never open their own")
    with Session(engines()[-1 if read_only else 0], expire_on_commit=False) as current:
        current.connection(execution_options={"read_only": read_only})
        token = _current.set(current)
        try:
            yield current
            if not read_only:
                for hook in _before_commit:
                    hook()
            current.commit()
        finally:
            _current.reset(token)


def take_your_time() -> None:
    """Let the statements of this transaction run as long as they need: for proofs of everything there is."""
    if dialect() == "postgresql":
        session().execute(text("SET LOCAL statement_timeout = 0"))


def again_after_deadlock(work: Callable[[], T], *, undone: Callable[[], bool] = lambda: True) -> T:
    """Run `work`, a transaction and nothing besides; again when the database broke it off to end a deadlock.

    Of two that wait for each other PostgreSQL may break off both: after a pause that differs they try again, two times at
    most. `undone` says whether the rollback undid everything; where it did not, the first error stands.
    """
    for pause_s in PAUSES_S:
        try:
            return work()
        except DBAPIError as error:
            if not (_is_deadlock(error) and undone()):
                raise
        time.sleep(random.uniform(0, pause_s))  # noqa: S311 - a spread, no secret
    return work()


def _is_deadlock(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", "") == DEADLOCK


@contextmanager
def fresh_look() -> Iterator[Session]:
    """Read, inside the open transaction, what is in the database now, not what this session remembers of it."""
    session().flush()
    with Session(session().connection(), expire_on_commit=False) as looking:
        token = _current.set(looking)
        try:
            yield looking
        finally:
            _current.reset(token)


def before_commit(hook: Hook) -> Hook:
    """Register `hook` to run at the end of every writing transaction, still inside it; the last registered runs first."""
    _before_commit.insert(
        0, hook
    )  # the audit log, known to everybody, comes last and holds its lock the shortest
    return hook


def update_one(statement: Update | Delete) -> bool:
    """Run a conditional UPDATE or DELETE; True when exactly one row changed. The portable lock."""
    return run(statement) == 1


def run(statement: Executable) -> int:
    """Run a set-based statement and answer how many rows it touched."""
    return cast("CursorResult[Any]", session().execute(statement)).rowcount


def dialect() -> str:
    """`sqlite` or `postgresql`."""
    return engine().dialect.name


def _prepare_sqlite(last_word: str, connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own connection
    connection.isolation_level = None  # we say BEGIN ourselves, below
    for pragma in (*SQLITE, last_word):
        connection.execute(f"PRAGMA {pragma}")


def _leave_nothing_open(connection: Any, _record: object, _state: object) -> None:  # noqa: ANN401 - as above
    """A COMMIT that fails leaves SQLite's transaction open, and SQLAlchemy takes it for ended."""
    if connection.in_transaction:
        connection.rollback()


def _begin(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        # IMMEDIATE: a writer waits at its start for the lock instead of failing in its middle.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif connection.get_execution_options().get("read_only"):
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))


def _begin_reading(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")
