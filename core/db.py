"""The database: one engine, one transaction per request or step of a job, and the only `commit` there is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, cast

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
from sqlmodel import Session, SQLModel

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

Hook = Callable[[], None]
SQLITE = (
    *("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"),
    "wal_autocheckpoint=4000",  # pages, 16 MiB: by itself every thousandth page written waits for the disk three times
)

_engine: Engine | None = None
_current: ContextVar[Session | None] = ContextVar("session", default=None)
_before_commit: list[Hook] = []


def connect(url: str) -> Engine:
    """Make the engine for `url` (SQLite or PostgreSQL) the one everybody uses; another's connections are closed."""
    global _engine  # noqa: PLW0603 - one process, one engine
    wanted = _engine_for(url)
    if _engine is not wanted:
        disconnect()
        _engine = wanted
    return wanted


@cache
def _engine_for(url: str) -> Engine:
    """An address has one engine for good: the statements it compiled are kept when its connections are closed."""
    made = create_engine(make_url(url), **_engine_options(url))
    if made.dialect.name == "sqlite":
        event.listen(made, "connect", _prepare_sqlite)
        event.listen(made, "reset", _leave_nothing_open)
    event.listen(made, "begin", _begin)
    return made


def _engine_options(url: str) -> dict[str, Any]:
    if url.startswith("sqlite"):
        return {"connect_args": {"timeout": 10, "check_same_thread": False}}
    return {
        "pool_pre_ping": True,
        "pool_size": 10,
        "max_overflow": 10,
        "connect_args": {"options": "-c statement_timeout=30000 -c timezone=UTC"},
    }


def disconnect() -> None:
    """Close every connection of the engine; harmless when there is none."""
    global _engine  # noqa: PLW0603 - as above
    if _engine is not None:
        _engine.dispose()
        _engine = None


def engine() -> Engine:
    """The engine everybody uses."""
    if _engine is None:
        raise RuntimeError("connect() was not called: there is no database yet")
    return _engine


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

    A read-only transaction is refused any write by the database itself (GET never writes).
    """
    if in_transaction():
        raise RuntimeError("a transaction is already open: verbs never open their own")
    with Session(engine(), expire_on_commit=False) as current:
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


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own connection
    connection.isolation_level = None  # we say BEGIN ourselves, below
    for pragma in SQLITE:
        connection.execute(f"PRAGMA {pragma}")


def _leave_nothing_open(connection: Any, _record: object, _state: object) -> None:  # noqa: ANN401 - as above
    """A COMMIT that fails leaves SQLite's transaction open, and SQLAlchemy takes it for ended."""
    if connection.in_transaction:
        connection.rollback()


def _begin(connection: Connection) -> None:
    read_only = bool(connection.get_execution_options().get("read_only"))
    if connection.dialect.name == "sqlite":
        # IMMEDIATE: a writer waits at its start for the lock instead of failing in its middle.
        connection.exec_driver_sql(f"PRAGMA query_only={'ON' if read_only else 'OFF'}")
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
    elif read_only:
        connection.execute(text("SET TRANSACTION READ ONLY"))
