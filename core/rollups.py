"""Rollups: tables of sums that grow in bulk, by one statement a batch, and are proven against their facts by one.

The driver's own statements are used here, because a statement of thousands of bound values costs SQLAlchemy more to put
together than the database needs to run it.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, Select, Table, func, literal, or_, select, union_all
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import SQLModel

from core import driver
from core.db import dialect, run, session

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


def grow_selected(table: Table, rows: Select[Any], *, sums: tuple[str, ...]) -> None:
    """Like `grow`, with rows that the database selects (its columns in the table's order), so that none comes to us.

    On SQLite the SELECT must not end with its FROM: an ON CONFLICT behind it would be taken for a join's.
    """
    insert = pg_insert if dialect() == "postgresql" else sqlite_insert
    growing = insert(table).from_select([column.name for column in table.columns], rows)
    grown = {name: table.c[name] + growing.excluded[name] for name in sums}
    run(growing.on_conflict_do_update(index_elements=[*table.primary_key], set_=grown))


def pile(table: Table, rows: Sequence[Row]) -> None:
    """Put rows into a temporary table, where statements of this transaction find them; what lay there is gone."""
    columns = ", ".join(f"{column.name} {column.type.compile()}" for column in table.columns)
    postgresql = dialect() == "postgresql"
    kept = " ON COMMIT DELETE ROWS" if postgresql else ""
    driver.run_once(f"CREATE TEMPORARY TABLE IF NOT EXISTS {table.name} ({columns}){kept}", [])
    driver.run_once(f"DELETE FROM {table.name}", [])  # noqa: S608 - our own word
    if postgresql:
        driver.copy(table.name, [column.name for column in table.columns], rows)
    else:
        marks = ", ".join("?" for _ in table.columns)
        driver.run_many(f"INSERT INTO {table.name} VALUES ({marks})", rows)  # noqa: S608 - our own word


def hold(*tables: Table) -> None:
    """Let nobody else add to these until the commit; SQLite has one writer at a time anyway."""
    if dialect() == "postgresql":
        names = ", ".join(f'"{each.name}"' for each in sorted(tables, key=lambda one: one.name))
        driver.run_once(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE", [])


class Differing(NamedTuple):
    """A row of sums that is not what its facts say; where there is no row, or no fact, the sums are 0."""

    place: Row
    """its key"""
    told: tuple[int, ...]
    """what the facts say"""
    held: tuple[int, ...]
    missing: Row
    """the row that has to be added"""


def differing(
    table: Table, facts: Select[Any], *, sums: tuple[str, ...], part: ColumnElement[bool] | None = None
) -> list[Differing]:
    """The rows of a table (or a part of it) that differ from its facts, by key; none is the proof.

    `facts` have the table's columns, by name, with a row for each key or several. The database adds up and compares:
    however much that is, only what differs comes to us.
    """
    keys = [column.name for column in table.primary_key]
    rest = [column.name for column in table.columns if column.name not in {*keys, *sums}]
    told = facts.subquery().c
    kept = select(*(table.c[name] for name in (*keys, *rest))).add_columns(
        *(literal(0).label(f"told_{name}") for name in sums),
        *(table.c[name].label(f"held_{name}") for name in sums),
    )
    said = select(*(told[name] for name in (*keys, *rest))).add_columns(
        *(told[name].label(f"told_{name}") for name in sums),
        *(literal(0).label(f"held_{name}") for name in sums),
    )
    both = union_all(said, kept if part is None else kept.where(part)).subquery().c
    place = [both[name] for name in keys]
    ours = [func.sum(both[f"told_{name}"]) for name in sums]
    theirs = [func.sum(both[f"held_{name}"]) for name in sums]
    unequal = or_(*(one != other for one, other in zip(ours, theirs, strict=True)))
    grouped = select(*place, *(func.max(both[name]) for name in rest), *ours, *theirs).group_by(*place)
    rows = session().execute(grouped.having(unequal).order_by(*place)).all()
    return [_differing(table, keys, rest, sums, tuple(row)) for row in rows]


def _differing(
    table: Table, keys: Sequence[str], rest: Sequence[str], sums: Sequence[str], row: Row
) -> Differing:
    place, others, numbers = row[: len(keys)], row[len(keys) : -2 * len(sums)], row[-2 * len(sums) :]
    told, held = tuple(map(int, numbers[: len(sums)])), tuple(map(int, numbers[len(sums) :]))
    values = dict(zip(keys, place, strict=True)) | dict(zip(rest, others, strict=True))
    values |= dict(zip(sums, map(int.__sub__, told, held), strict=True))
    return Differing(place, told, held, tuple(values[column.name] for column in table.columns))


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
