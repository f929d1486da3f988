"""The database of every test: what was prepared once, empty or with the cast in it, is put up before each."""

from pathlib import Path
from shutil import copy
from typing import Any, Protocol

from sqlalchemy import text
from sqlmodel import col, select

import reactions
from core import db
from core.people import Person
from hub.programmes import Programme
from hub.units import Unit
from tests.databases import migrate
from tests.factories import Cast, make_cast

KINDS: tuple[type[Unit | Programme | Person], ...] = (Unit, Programme, Person)
"""of which the cast is"""


class Stage(Protocol):
    """Puts up databases, one after the other."""

    url: str
    """where they are"""

    def put_up(self, *, with_cast: bool) -> str:
        """A database as it was prepared; the answer is its address, the same for all: an engine keeps what it compiled."""

    def clear(self) -> None:
        """Leave nothing open."""


class Prompter:
    """Makes the cast once, and knows it again in every copy of the database."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def make(self) -> None:
        """Make the cast in the database that is connected."""
        reactions.wire()
        with db.transaction():
            self._ids = {name: each.id for name, each in vars(make_cast()).items()}

    def cast(self) -> Cast:
        """The cast as it is in this test's database; asked for by kind, not one by one, since every other test does."""
        with db.transaction(read_only=True) as session:
            found: dict[str, Any] = {}
            for kind in KINDS:
                rows: list[Any] = list(session.exec(select(kind).where(col(kind.id).in_(self._ids.values()))))
                found |= {each.id: each for each in rows}
        return Cast(**{name: found[each] for name, each in self._ids.items()})


class SqliteStage:
    """A copy of a file for each test."""

    def __init__(self, url: str, prompter: Prompter) -> None:
        self._empty = Path(url.removeprefix("sqlite:///"))
        migrate(url)
        self._with_cast, self._place = (
            self._empty.with_name(f"{each}.sqlite") for each in ("cast", "spokes")
        )
        self.url = f"sqlite:///{self._place}"
        copy(self._empty, self._with_cast)
        db.connect(f"sqlite:///{self._with_cast}")
        prompter.make()
        db.disconnect()

    def put_up(self, *, with_cast: bool) -> str:
        """Put a copy where the last test had its own."""
        for beside in ("", "-wal", "-shm"):
            self._place.with_name(f"{self._place.name}{beside}").unlink(missing_ok=True)
        copy(self._with_cast if with_cast else self._empty, self._place)
        return self.url

    def clear(self) -> None:
        """Close what is open: the file is going."""
        db.disconnect()


OTHERS_ARE_GONE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state IS DISTINCT FROM 'idle'"""
"""ends what the last test left in mid-transaction; connections that only wait are kept, for they are dear"""


class PostgresStage:
    """One database, of which every row is deleted before each test, past foreign keys and append-only triggers.

    The rows of the cast lie in a schema beside it. A hundred times quicker than a new database each time.
    """

    def __init__(self, url: str, prompter: Prompter) -> None:
        self.url = url
        migrate(url)
        engine = db.connect(url)
        prompter.make()
        with engine.begin() as connection:
            found = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
            every = connection.execute(text(found)).scalars().all()
            full = [
                each for each in every if connection.execute(text(f"TABLE public.{each} LIMIT 1")).first()
            ]
            connection.execute(text("CREATE SCHEMA kept"))
            for each in full:
                connection.execute(text(f"CREATE TABLE kept.{each} AS TABLE public.{each}"))
            connection.execute(_routine("empty", [f"DELETE FROM public.{each}" for each in every]))  # noqa: S608 - our own tables
            connection.execute(
                _routine("cast", [f"INSERT INTO public.{each} TABLE kept.{each}" for each in full])
            )

    def put_up(self, *, with_cast: bool) -> str:
        """Empty the database, and bring in the cast."""
        with db.connect(self.url).begin() as connection:
            connection.execute(text(OTHERS_ARE_GONE))
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text("SELECT kept.empty()"))
            if with_cast:
                connection.execute(text("SELECT kept.cast()"))
        return self.url

    def clear(self) -> None:
        """Connections stay open for the next test."""


def _routine(name: str, statements: list[str]) -> Any:  # noqa: ANN401 - SQLAlchemy's own type
    """A function, of whose statements PostgreSQL keeps the plans."""
    body = "; ".join(statements)
    return text(f"CREATE FUNCTION kept.{name}() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {body}; END $$")
