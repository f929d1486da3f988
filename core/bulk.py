"""Many rows at once: what a batch writes goes to the database in one statement a table, not through the ORM."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Table, insert
from sqlmodel import SQLModel

from core.db import session


def store(table: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, each with every column that has no default in the database; a conflict raises IntegrityError."""
    if rows:
        session().execute(insert(table_of(table)), list(rows))


def table_of(model: type[SQLModel]) -> Table:
    """The table behind a model."""
    return cast("Table", model.__table__)  # type: ignore[attr-defined]  # every table model has one
