"""Many rows at once: what a batch writes goes to the database in one statement a table, not through the ORM.

The driver's own ways are used, because SQLAlchemy costs more to put such statements together than the database needs to
run them: a prepared statement on SQLite, COPY on PostgreSQL. Values are bound as the columns' types say.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from functools import cache
from json import JSONEncoder
from operator import attrgetter
from typing import Any, NamedTuple, cast

from sqlalchemy import JSON, Table
from sqlalchemy.types import TypeEngine
from sqlmodel import SQLModel

from core import driver
from core.columns import UtcDateTime
from core.db import dialect, engine

FEW = 8
"""rows for which COPY is not worth its beginning and end"""
Values = list[tuple[Any, ...]]


class _Way(NamedTuple):
    """How rows of a kind get into a table."""

    get: Callable[[object], tuple[Any, ...]]
    binds: Sequence[Callable[[Any], Any] | None]
    insert: str
    insert_new: str
    copy: str


def store(model: type[SQLModel], rows: Sequence[Any]) -> None:
    """Insert rows; a conflict raises IntegrityError.

    Rows are dataclasses of one kind, with a field for each column that has to be set.
    """
    if not rows:
        return
    way = _way_of(model, rows)
    values = list(zip(*_bound(way, rows), strict=True))
    if dialect() == "postgresql" and len(rows) > FEW:
        _copy(way.copy, values)
    else:
        driver.run_many(way.insert, values)


def store_new(model: type[SQLModel], rows: Sequence[Any]) -> int:
    """The same without rows that conflict with one that is there; answers how many were new."""
    if not rows:
        return 0
    way = _way_of(model, rows)
    if dialect() == "postgresql":
        return driver.run_once(way.insert_new, [list(values) for values in _bound(way, rows)])
    return driver.run_many(way.insert_new, list(zip(*_bound(way, rows), strict=True)))


def change(
    model: type[SQLModel],
    same: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    *,
    values: Mapping[str, Any],
    counted: str | None = None,
) -> int:
    """Set these values, and count a column on, where a row is still just as it was read; answers how many were.

    `rows` hold what was read of the columns `same`, the id first.
    """
    if not rows:
        return 0
    table, postgresql = cast("Table", model.__table__), dialect() == "postgresql"  # type: ignore[attr-defined]  # as above
    binding, mark, equal = engine().dialect, *(("%s", "IS NOT DISTINCT FROM") if postgresql else ("?", "IS"))
    bound = [each(value) if (each := _bind(table.c[name].type)) else value for name, value in values.items()]
    more = [f'"{counted}" = "{table.name}"."{counted}" + 1'] if counted else []
    sets = ", ".join([*(f'"{name}" = {mark}' for name in values), *more])
    key, *others = same
    if postgresql:
        kinds = [table.c[name].type.compile(binding) for name in same]
        given = ", ".join(f"%s::{kind}[]" for kind in kinds)
        alike = " AND ".join(f'"{table.name}"."{name}" {equal} given."{name}"' for name in others)
        statement = (
            f'UPDATE "{table.name}" SET {sets} FROM unnest({given}) AS given({", ".join(same)}) '  # noqa: S608 - our own words
            f'WHERE "{table.name}"."{key}" = given."{key}" AND {alike}'
        )
        return driver.run_once(statement, [*bound, *(list(each) for each in zip(*rows, strict=True))])
    alike = " AND ".join([f'"{key}" = ?', *(f'"{name}" {equal} ?' for name in others)])
    statement = f'UPDATE "{table.name}" SET {sets} WHERE {alike}'  # noqa: S608 - our own words
    return driver.run_many(statement, [(*bound, *each) for each in rows])


def set_json(model: type[SQLModel], column: str, texts: Mapping[str, str]) -> None:
    """Set a JSON column of the rows with these ids to JSON that is written already."""
    if not texts:
        return
    name = model.__tablename__
    if dialect() == "postgresql":
        statement = (
            f'UPDATE "{name}" SET "{column}" = given.said::json '  # noqa: S608 - our own tables' words
            f'FROM unnest(%s::text[], %s::text[]) AS given(id, said) WHERE "{name}".id = given.id'
        )
        driver.run_once(statement, [list(texts), list(texts.values())])
        return
    statement = f'UPDATE "{name}" SET "{column}" = ? WHERE id = ?'  # noqa: S608 - as above
    driver.run_many(statement, [(said, key) for key, said in texts.items()])


def _way_of(model: type[SQLModel], rows: Sequence[Any]) -> _Way:
    table, kind = model.__table__, type(rows[0])  # type: ignore[attr-defined]  # every table model has one
    return _way(cast("Table", table), cast("Hashable", kind), dialect())


def _bound(way: _Way, rows: Sequence[Any]) -> list[Sequence[Any]]:
    """The values column by column, as the driver takes them."""
    columns = zip(*map(way.get, rows), strict=True)
    return [
        [bind(value) for value in values] if bind else values
        for bind, values in zip(way.binds, columns, strict=True)
    ]


@cache
def _way(table: Table, kind: Any, name: str) -> _Way:  # noqa: ANN401 - a dataclass; as a type it would be no key
    told = {each.name for each in fields(kind)}
    columns = [column for column in table.columns if column.name in told]
    names = ", ".join(f'"{column.name}"' for column in columns)
    binding = engine().dialect
    if name == "postgresql":
        marks = f"VALUES ({', '.join('%s' for _ in columns)})"
        arrays = ", ".join(f"%s::{column.type.compile(binding)}[]" for column in columns)
        source = f"SELECT * FROM unnest({arrays})"  # noqa: S608 - our own tables' words
    else:
        marks = source = f"VALUES ({', '.join('?' for _ in columns)})"
    return _Way(
        cast("Callable[[object], tuple[Any, ...]]", attrgetter(*(column.name for column in columns))),
        [_bind(column.type) for column in columns],
        f'INSERT INTO "{table.name}" ({names}) {marks}',
        f'INSERT INTO "{table.name}" ({names}) {source} ON CONFLICT DO NOTHING',
        f'COPY "{table.name}" ({names}) FROM STDIN',
    )


def _bind(kind: TypeEngine[Any]) -> Callable[[Any], Any] | None:
    """What a column's type does with a value; moments and JSON, of which there are many, by a shorter way on SQLite."""
    binding = engine().dialect
    if binding.name == "sqlite" and isinstance(kind, UtcDateTime):
        return _moment
    if binding.name == "sqlite" and isinstance(kind, JSON):
        return _JSON.encode
    return kind.dialect_impl(binding).bind_processor(binding)


_JSON = JSONEncoder()


def _moment(value: datetime | None) -> str | None:
    """As SQLAlchemy writes it."""
    if value is None:
        return None
    if value.tzinfo is not UTC:
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone reached the database")
        value = value.astimezone(UTC)
    return value.replace(tzinfo=None).isoformat(" ", "microseconds")


def _copy(statement: str, rows: Values) -> None:
    with (
        driver.raised_as_usual(statement),
        driver.connection().cursor() as cursor,
        cursor.copy(statement) as copy,
    ):
        for row in rows:
            copy.write_row(row)
