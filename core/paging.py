"""Pages by cursor: as quick at row 100,000 as at row 1."""

import base64
import binascii
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, TypeVar, cast

from pydantic import Field
from sqlalchemy import BigInteger, ColumnElement, and_, or_
from sqlalchemy.orm import Mapped
from sqlmodel.sql.expression import SelectOfScalar

from core.db import session
from core.errors import Malformed
from core.inputs import Input
from core.settings import settings

T = TypeVar("T")
MAX_LIMIT = 1_000
MARK_BYTES = 12
MAX_INTEGER = 2**63 - 1
MAX_SHORT_INTEGER = 2**31 - 1
Sortable = Mapped[Any] | ColumnElement[Any]


class Listing(Input):
    """The query of every list that machines read."""

    each_once: ClassVar[bool] = True
    limit: int = Field(default=100, ge=1, le=MAX_LIMIT, description="how many items a page has at most")
    after: str | None = Field(
        default=None, max_length=1_000, description="the cursor of the page before: its `next`"
    )


class WrongCursor(Malformed):
    """This page address is not valid. Start from the first page."""


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows and the cursor of the next page, None at the end."""

    items: Sequence[T]
    next: str | None


def page_of(
    statement: SelectOfScalar[T],
    *order: tuple[Sortable, str],
    after: str | None = None,
    limit: int = 50,
    descending: bool = True,
) -> Page[T]:
    """One page of `statement`.

    `order` names the sort columns with the attribute that holds each in a row, the last one unique, all sorted the
    same way; `after` is the cursor of the page before. Raises WrongCursor.
    """
    limit = max(1, min(limit, MAX_LIMIT))
    columns = [column for column, _ in order]
    if after:
        statement = statement.where(_beyond(columns, _read(after, columns), descending=descending))
    ordered = statement.order_by(*(column.desc() if descending else column.asc() for column in columns))
    rows = session().exec(ordered.limit(limit + 1)).all()
    shown = rows[:limit]
    last = [getattr(shown[-1], name) for _, name in order] if len(rows) > limit else None
    return Page(shown, _write(last, columns) if last else None)


def _beyond(columns: Sequence[Sortable], values: Sequence[Any], *, descending: bool) -> ColumnElement[bool]:
    steps = []
    for i, (column, value) in enumerate(zip(columns, values, strict=True)):
        same = [before == known for before, known in zip(columns[:i], values[:i], strict=True)]
        steps.append(and_(*same, column < value if descending else column > value))
    return or_(*steps)


def _write(values: list[Any], columns: Sequence[Sortable]) -> str:
    plain = [{"at": each.isoformat()} if isinstance(each, datetime) else each for each in values]
    return signed(json.dumps(plain).encode(), columns)


def signed(plain: bytes, columns: Sequence[Sortable]) -> str:
    """A cursor of these sort columns: its content with our mark before it, so that only what we wrote is read."""
    return base64.urlsafe_b64encode(_mark(plain, columns) + plain).decode().rstrip("=")


def _mark(plain: bytes, columns: Sequence[Sortable]) -> bytes:
    about = ",".join(map(str, columns)).encode()
    return hmac.digest(settings().secret.encode(), b"cursor\0" + about + b"\0" + plain, "sha256")[:MARK_BYTES]


def _read(cursor: str, columns: Sequence[Sortable]) -> list[Any]:
    try:
        raw = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        if not hmac.compare_digest(raw[:MARK_BYTES], _mark(raw[MARK_BYTES:], columns)):
            raise WrongCursor
        values = [
            _moment(each["at"]) if isinstance(each, dict) else each for each in json.loads(raw[MARK_BYTES:])
        ]
    except (ValueError, TypeError, KeyError, OverflowError, binascii.Error, RecursionError) as error:
        raise WrongCursor from error
    if len(values) != len(columns) or not all(map(_fits, values, columns)):
        raise WrongCursor
    return values


def _moment(written: str) -> datetime:
    moment = datetime.fromisoformat(written)
    if moment.tzinfo is None:
        raise ValueError("a cursor's moments say their time zone")
    return moment.astimezone(UTC)


def _fits(value: object, column: Sortable) -> bool:
    """Whether a value out of a cursor is one that this column can hold: it may be of another time, or another database."""
    if isinstance(value, str) and _unstorable(value):
        return False
    kind = cast("ColumnElement[Any]", column).type
    if isinstance(value, int) and abs(value) > (
        MAX_INTEGER if isinstance(kind, BigInteger) else MAX_SHORT_INTEGER
    ):
        return False
    return isinstance(value, kind.python_type) and not isinstance(value, bool)


def _unstorable(text: str) -> bool:
    """Whether a database would refuse the text: a NUL, or half of a surrogate pair."""
    return any(each == "\0" or "\ud800" <= each <= "\udfff" for each in text)
