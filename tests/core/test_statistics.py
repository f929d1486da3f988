"""What SQLite knows of its tables decides which index it takes."""

import pytest
from sqlalchemy import text

from core.db import engines, session, transaction
from core.people import Person
from core.statistics import keep_statistics
from tests.conftest import ON_POSTGRESQL

pytestmark = pytest.mark.usefixtures("settings")


def known() -> set[str]:
    with transaction(read_only=True):
        tables = session().execute(text("SELECT name FROM sqlite_master")).scalars().all()
        if "sqlite_stat1" not in tables:
            return set()
        return set(session().execute(text("SELECT tbl FROM sqlite_stat1")).scalars())


@pytest.mark.skipif(ON_POSTGRESQL, reason="PostgreSQL keeps its statistics by itself")
def test_tables_are_looked_at_once_they_have_rows() -> None:
    with transaction():
        session().add_all([Person(email=f"{each}@example.org", name="Somebody") for each in range(50)])
    assert "person" not in known()
    assert keep_statistics() == 1
    assert "person" in known()
    assert all(each.pool._recycle > 0 for each in engines())  # noqa: SLF001 - who opens later knows it
