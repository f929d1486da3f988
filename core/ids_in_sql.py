"""Ids that the database makes, for rows that one statement stores by the thousand."""

import secrets
import time
from typing import Any

from sqlalchemy import ColumnElement, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from core.ids import encoded

_TIME_DIGITS = 10


class FreshId(ColumnElement[str]):
    """An id of its own for each row: the milliseconds of now and, as hexadecimal digits, 60 random bits or more."""

    type = Text()
    inherit_cache = False

    def __init__(self) -> None:
        at_ms = time.time_ns() // 1_000_000
        self.begins = encoded(at_ms << 80 | secrets.randbits(80))[:_TIME_DIGITS]


@compiles(FreshId, "sqlite")
def _in_sqlite(element: FreshId, _compiler: SQLCompiler, **_how: Any) -> str:  # noqa: ANN401 - as the compiler wants it
    return f"'{element.begins}' || lower(hex(randomblob(8)))"


@compiles(FreshId, "postgresql")
def _in_postgresql(element: FreshId, _compiler: SQLCompiler, **_how: Any) -> str:  # noqa: ANN401 - as above
    return f"'{element.begins}' || left(replace(gen_random_uuid()::text, '-', ''), 16)"
