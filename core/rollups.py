"""Rollups: tables of sums that grow in bulk, by one statement a batch.

The driver's own statements are used here, because a statement of thousands of bound values costs SQLAlchemy more to put
together than the database needs to run it.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, cast

from sqlalchemy import Table
from sqlmodel import SQLModel

from core import driver
from core.db import dialect

Row = tuple[Any, ...]


def table_of(model: type[SQLModel]) -> Table:
    """The table behind a model, for statements below the ORM."""
    return cast("Table", model.__table__)  # type: ignore[attr-defined]  # every model with a table has one


def grow(table: Table, rows: Sequence[Row], *, sums: tuple[str, ...]) -> None:
    """Insert rows, or add their `sums` to those that are there by the same key.

    A row's values are in the order of the table's columns. Give rows sorted by key, each key once: then two transactions
    that touch the same rows take them in the same order.
    """
    if not rows:
        return
    postgresql = dialect() == "postgresql"
    statement = _statement(table, sums, postgresql=postgresql)
    if postgresql:
        driver.run_once(statement, [list(values) for values in zip(*rows, strict=True)])
    else:
        driver.run_many(statement, rows)


def hold(*tables: Table) -> None:
    """Let nobody else add to these until the commit; SQLite has one writer at a time anyway."""
    if dialect() == "postgresql":
        names = ", ".join(f'"{each.name}"' for each in sorted(tables, key=lambda one: one.name))
        driver.run_once(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE", [])


@cache
def _statement(table: Table, sums: tuple[str, ...], *, postgresql: bool) -> str:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    keys = ", ".join(f'"{column.name}"' for column in table.primary_key)
    grown = ", ".join(f'"{name}" = "{table.name}"."{name}" + excluded."{name}"' for name in sums)
    if postgresql:
        arrays = ", ".join(f"%s::{column.type.compile()}[]" for column in table.columns)
        source = f"SELECT * FROM unnest({arrays})"  # noqa: S608 - our own tables' words
    else:
        source = f"VALUES ({', '.join('?' for _ in table.columns)})"
    return f'INSERT INTO "{table.name}" ({names}) {source} ON CONFLICT ({keys}) DO UPDATE SET {grown}'
