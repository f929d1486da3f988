"""Statements below SQLAlchemy: the driver runs them as they are, and what it refuses is raised as SQLAlchemy would.

SQLAlchemy takes fifty microseconds to hand a finished statement on, which for a conversion's thirty is more than the
database takes to run them.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy.exc import DBAPIError

from core.db import engine, session

_DRIVER = "driver"


def connection() -> Any:  # noqa: ANN401 - the driver's own
    """The driver's connection under the open transaction, or savepoint: only asking the session for it begins that."""
    current = session()
    within, kept = current.get_nested_transaction(), current.info.get(_DRIVER)
    if kept is None or kept[0] is not within:
        kept = current.info[_DRIVER] = within, current.connection().connection.dbapi_connection
    return kept[1]


def run_many(statement: str, rows: Sequence[Sequence[Any]]) -> int:
    """Run a statement for each row of values (question marks on SQLite); answers how many rows it touched."""
    with raised_as_usual(statement):
        cursor = connection().cursor()
        cursor.executemany(statement, rows)
        return cast("int", cursor.rowcount)


def run_once(statement: str, values: Sequence[Any]) -> int:
    """Run a statement with these values; answers how many rows it touched."""
    with raised_as_usual(statement):
        return cast("int", connection().execute(statement, values).rowcount)


def fetch(statement: str, values: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401 - a list or a mapping
    """The rows of a query."""
    with raised_as_usual(statement):
        return cast("list[tuple[Any, ...]]", connection().execute(statement, values).fetchall())


def copy(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Put rows into a table by PostgreSQL's COPY."""
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    with raised_as_usual(statement), connection().cursor() as cursor, cursor.copy(statement) as copying:
        for each in rows:
            copying.write_row(each)


@contextmanager
def raised_as_usual(statement: str) -> Iterator[None]:
    """Raise what the driver raises in the block as SQLAlchemy's error of the same kind (IntegrityError …)."""
    broken = cast("Any", engine().dialect.dbapi).Error
    try:
        yield
    except broken as error:
        raise DBAPIError.instance(statement, None, error, broken, dialect=engine().dialect) from error
