"""The column kinds our tables are made of."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field

from core.ids import new_id


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in, aware UTC out, on both databases; a naive moment is a mistake and raises."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        """What its values are (a decorator does not say so by itself)."""
        return datetime

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive values; SQLite keeps the UTC wall time."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone reached the database")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Say UTC again on the way out."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


def key() -> Any:  # noqa: ANN401 - a field's default stands in for the field's type
    """The primary key of nearly every table: a ULID made here."""
    return Field(default_factory=new_id, primary_key=True, sa_type=Text)


def moment(
    default_factory: Callable[[], datetime] | None = None, *, optional: bool = False, index: bool = False
) -> Any:  # noqa: ANN401 - as above
    """A moment in UTC; `optional` ones start as None, the others without a factory are required."""
    if optional:
        return Field(default=None, sa_type=UtcDateTime, nullable=True, index=index)
    if default_factory is not None:
        return Field(default_factory=default_factory, sa_type=UtcDateTime, nullable=False, index=index)
    return Field(sa_type=UtcDateTime, nullable=False, index=index)


def minor(default: int | None = None) -> Any:  # noqa: ANN401 - as above
    """An amount in minor units: 64 bits on both databases."""
    if default is None:
        return Field(sa_type=BigInteger, nullable=False)
    return Field(default=default, sa_type=BigInteger, nullable=False)


def word(default: str | None = None, *, index: bool = False) -> Any:  # noqa: ANN401 - as above
    """One of a few words (a state, a kind), typed as a Literal in Python and checked by `one_of` in the table."""
    if default is None:
        return Field(sa_type=Text, nullable=False, index=index)
    return Field(default=default, sa_type=Text, nullable=False, index=index)


def one_of(column: str, words: Iterable[str]) -> CheckConstraint:
    """CHECK that `column` holds one of `words`."""
    listed = ", ".join(f"'{each}'" for each in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)
