"""The migrations lead to exactly what the tables say."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import DDL, inspect, text
from sqlmodel import SQLModel

from core import db
from migrations.run import upgrade
from migrations.tables import every_table


@pytest.fixture(autouse=True)
def _tables(database: str) -> None:
    every_table()


def test_migrations_and_tables_agree() -> None:
    with db.engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_what_never_changes_is_guarded_in_the_migrated_database_too() -> None:
    with db.engine().connect() as connection:
        wanted = {
            listener.statement.split()[2]
            for table in SQLModel.metadata.sorted_tables
            for listener in table.dispatch.after_create
            if isinstance(listener, DDL) and _meant_for(listener, connection.dialect.name)
        }
        name = "name FROM sqlite_master WHERE type = 'trigger'"
        if connection.dialect.name == "postgresql":
            name = "tgname FROM pg_trigger WHERE NOT tgisinternal"
        there = set(connection.execute(text(f"SELECT {name}")).scalars())
    assert wanted
    assert wanted <= there


def test_clicks_have_no_second_index() -> None:
    assert inspect(db.engine()).get_indexes("click") == []


def test_migrating_again_changes_nothing(database: str) -> None:
    upgrade(database)
    upgrade(database)


def _meant_for(statement: DDL, dialect: str) -> bool:
    condition = statement._ddl_if  # noqa: SLF001 - SQLAlchemy offers no other way to ask
    return (
        statement.statement.startswith("CREATE TRIGGER")
        and condition is not None
        and condition.dialect == dialect
    )
