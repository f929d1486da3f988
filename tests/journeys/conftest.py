"""A database for a whole service."""

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from tests.conftest import ON_POSTGRESQL


@pytest.fixture(scope="module")
def empty_database_url(template_database: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty database; empty for the service's own SQLite."""
    if not ON_POSTGRESQL:
        yield ""
        return
    url = make_url(template_database)
    name = f"service_{request.module.__name__.rpartition('.')[2]}"
    engine = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield url.set(database=name, drivername="postgresql").render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()
