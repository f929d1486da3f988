"""Running the migrations: one at a time, whoever starts first."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, create_engine, inspect, text

if TYPE_CHECKING:
    from alembic.config import Config

FOLDER = Path(__file__).parent
LOCK = 7_376_001  # any number of our own: one migration at a time on PostgreSQL


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database at `url` to a revision; harmless when it is there already."""
    from alembic import command  # slow to load, and a start on a database in use needs none of it

    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            _lock(connection)
            command.upgrade(_config(connection), revision)
    finally:
        engine.dispose()


def is_in_use(url: str) -> bool:
    """Whether the database has its present shape already and something in it; asked at every start, so without Alembic."""
    engine = create_engine(url)
    newest = max(path.name for path in (FOLDER / "versions").glob("[0-9]*.py"))
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return False
            shape = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            return (
                newest.startswith(f"{shape}_")
                and connection.execute(text("SELECT 1 FROM person")).first() is not None
            )
    finally:
        engine.dispose()


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})


def _config(connection: Connection) -> "Config":
    from alembic.config import Config  # as above

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    return config
