"""Running the migrations: one at a time, whoever starts first."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text

FOLDER = Path(__file__).parent
LOCK = 7_376_001  # any number of our own: one migration at a time on PostgreSQL


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database at `url` to a revision; harmless when it is there already."""
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            _lock(connection)
            command.upgrade(_config(connection), revision)
    finally:
        engine.dispose()


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    return config
