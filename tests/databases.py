"""Databases for tests: migrations run once into a template; PostgreSQL from the machine or from PyPI's pgserver."""

import os
from fcntl import LOCK_EX, flock
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Engine, create_engine, event, text

from migrations.run import upgrade
from migrations.tables import every_table

every_table()  # so that a test of one package knows the tables its foreign keys name


def migrate(url: str) -> None:
    """Bring an empty database to the present shape, as `bin/spokes init-db` does."""
    upgrade(url)


def hurry(engine: Engine) -> None:
    """A test's SQLite lives for a second: do not wait for the disk."""
    if engine.dialect.name == "sqlite" and not event.contains(engine, "connect", _hurried):
        event.listen(engine, "connect", _hurried)


def _hurried(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own connection
    connection.execute("PRAGMA synchronous=OFF")


class PostgresServer:
    """A PostgreSQL 16 from pgserver, for this test run; or the one that SPOKES_TEST_POSTGRESQL names."""

    def __init__(self) -> None:
        # Not below pytest's folder: it is closed to others whenever another run begins, and PostgreSQL runs as another
        # user where the tests run as root.
        self._place = TemporaryDirectory(prefix="spokes-postgresql-", ignore_cleanup_errors=True)
        self._folder = Path(self._place.name)
        self._server: Any = None  # pgserver ships no types
        self._base = os.environ.get("SPOKES_TEST_POSTGRESQL", "")

    def __enter__(self) -> Self:
        if not self._base:
            # pgserver keeps its locks there, and would warn where a machine names no such folder
            locks = Path(gettempdir()) / f"spokes-tests-{os.getuid()}"
            locks.mkdir(mode=0o700, exist_ok=True)
            os.environ.setdefault("XDG_RUNTIME_DIR", str(locks))
            from pgserver.postgres_server import get_server

            with (locks / "first").open(
                "w"
            ) as first:  # at once, two would make its user and neither wait for it
                flock(first, LOCK_EX)
                self._server = get_server(self._folder / "pg", cleanup_mode="stop")
            self._base = self._server.get_uri()
            self._hurry()
        return self

    def _hurry(self) -> None:
        """These databases live for minutes: do not wait for the disk."""
        engine = create_engine(
            self._base.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
            connection.execute(text("SELECT pg_reload_conf()"))
        engine.dispose()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.cleanup()
        self._place.cleanup()

    def create(self, name: str) -> str:
        """A new empty database; the answer is its address."""
        base = self._base.replace("postgresql://", "postgresql+psycopg://")
        engine = create_engine(base, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
            connection.execute(text(f"CREATE DATABASE {name}"))
        url = engine.url.set(database=name).render_as_string(hide_password=False)
        engine.dispose()
        return url
