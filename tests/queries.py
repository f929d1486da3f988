"""How many statements a piece of work sends to the database."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event

from core import db


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that are sent inside the block."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    for engine in db.engines():
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        for engine in db.engines():
            event.remove(engine, "before_cursor_execute", note)
