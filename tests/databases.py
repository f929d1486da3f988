"""Databases for tests: migrations run once into a template; PostgreSQL from the machine or from PyPI's pgserver."""

import os
from pathlib import Path
from types import TracebackType

from sqlalchemy import create_engine, text
from sqlmodel import SQLModel

import advocates.application_links
import advocates.applications
import core.api_keys
import core.audit
import core.files
import core.invitations
import core.jobs
import core.outbox
import core.throttle
import curriculum
import hub.actions
import hub.metrics
import hub.policies
import referrals.conversions
import referrals.links
import rewards.payouts
import rewards.stripe_events


def migrate(url: str) -> None:
    """Bring an empty database to the present shape."""
    engine = create_engine(url)
    SQLModel.metadata.create_all(engine)
    engine.dispose()


class PostgresServer:
    """A PostgreSQL 16 from pgserver, for this test run; or the one that SPOKES_TEST_POSTGRESQL names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = None
        self._base = os.environ.get("SPOKES_TEST_POSTGRESQL", "")

    def __enter__(self) -> "PostgresServer":
        if not self._base:
            # pgserver keeps its locks there, and would warn where a machine names no such folder
            os.environ.setdefault("XDG_RUNTIME_DIR", str(self._folder))
            import pgserver

            self._server = pgserver.get_server(self._folder / "pg", cleanup_mode="stop")
            self._base = self._server.get_uri()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.cleanup()

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
