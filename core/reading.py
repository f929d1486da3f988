"""Queries that run for every conversion: put together once for each database, and run by the driver itself.

To put a SELECT together and look up its compiled form costs SQLAlchemy eighty times what SQLite needs to answer it. A
Reading is written like any other SELECT, with `among` for a list of values, and typed by its columns.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from json import dumps
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Dialect, Select, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import Boolean, TypeEngine

from core import driver
from core.columns import UtcDateTime
from core.db import dialect, engine

CHUNK = 1_000
Plain = Callable[[Any], Any] | None
Columns = Select[*tuple[Any, ...]]
"""a SELECT of any columns"""


class Among(ColumnElement[bool]):
    """That a column is one of a list of values, given by name when the query runs."""

    inherit_cache = False

    def __init__(self, column: Any, name: str) -> None:  # noqa: ANN401 - a column
        self.column = column
        self.bind: BindParameter[Any] = bindparam(name)


@compiles(Among, "sqlite")
def _among_in_sqlite(element: Among, compiler: SQLCompiler, **how: Any) -> str:  # noqa: ANN401 - as the compiler wants it
    column, values = compiler.process(element.column, **how), compiler.process(element.bind, **how)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - compiled, and a mark for the values


@compiles(Among, "postgresql")
def _among_in_postgresql(element: Among, compiler: SQLCompiler, **how: Any) -> str:  # noqa: ANN401 - as above
    column, values = compiler.process(element.column, **how), compiler.process(element.bind, **how)
    return f"{column} = ANY({values})"


def among(column: Any, name: str = "values") -> Among:  # noqa: ANN401 - a column
    """The condition that a column is one of the values that a Reading is given under a name."""
    return Among(column, name)


class Reading:
    """A SELECT with `among(column)` for the values it is run for, and bindparams for what else it needs."""

    def __init__(self, wanted: Callable[[], Columns]) -> None:
        self._wanted = wanted
        self._ready: dict[str, tuple[str, list[str] | None, list[Plain]]] = {}

    def rows(self, values: Iterable[str | None], **more: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401 - any value
        """The rows for these values, a thousand of them at a time; no values, no rows."""
        every = sorted({each for each in values if each})
        found: list[tuple[Any, ...]] = []
        for start in range(0, len(every), CHUNK):
            found += self.all(values=every[start : start + CHUNK], **more)
        return found

    def all(self, **given: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401 - any value
        """The rows of the query with these parameters."""
        name = dialect()
        statement, order, plain = self._ready.get(name) or self._prepare(name)
        if name == "sqlite":
            given = {key: _for_sqlite(value) for key, value in given.items()}
        rows = driver.fetch(statement, [given[each] for each in order] if order is not None else given)
        if not rows or not any(plain):
            return rows
        columns = zip(*rows, strict=True)
        typed = [
            [each(value) for value in values] if each else values
            for each, values in zip(plain, columns, strict=True)
        ]
        return list(zip(*typed, strict=True))

    def _prepare(self, name: str) -> tuple[str, list[str] | None, list[Plain]]:
        binding, wanted = engine().dialect, self._wanted()
        compiled = wanted.compile(dialect=binding, compile_kwargs={"render_postcompile": True})
        kinds = [column.type for column in wanted.selected_columns]
        fixed = {key: value for key, value in compiled.params.items() if value is not None}
        order = compiled.positiontup
        if fixed:
            raise TypeError(f"a Reading names its values: {sorted(fixed)}")
        self._ready[name] = (
            str(compiled),
            list(order) if order is not None else None,
            [_plain(each, binding) for each in kinds],
        )
        return self._ready[name]


def _for_sqlite(value: Any) -> Any:  # noqa: ANN401 - any value
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    return dumps(value) if isinstance(value, list) else value


def _plain(kind: TypeEngine[Any], binding: Dialect) -> Plain:
    """What makes of the driver's value the one that the column's type promises."""
    if binding.name == "sqlite":
        if isinstance(kind, UtcDateTime):
            return _moment
        if isinstance(kind, Boolean):
            return bool
    return kind.dialect_impl(binding).result_processor(binding, None)


def _moment(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC)
