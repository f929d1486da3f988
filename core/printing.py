"""Documents that are printed once by a job: wanted as a row, claimed, rendered with no transaction open, kept with their hash."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, inspect, or_, update
from sqlmodel import SQLModel, col, select

from core import files, pdf
from core.clock import now
from core.db import session, transaction, update_one
from core.pdf import NotRendered

log = structlog.get_logger()
BATCH = 20
LEASE = timedelta(minutes=5)
"""longer than rendering a batch can take (core.pdf gives up after a minute)"""


def _nothing(_row: Any) -> None:  # noqa: ANN401 - a row
    pass


@dataclass(frozen=True)
class Printed:
    """A kind of document: a table with `claimed_until` and `file_id`, one key, a row for each that is wanted."""

    table: type[SQLModel]
    page: Callable[[Any], str]
    """row → its HTML for print"""
    name: Callable[[Any], str]
    """row → what the file is called"""
    then: Callable[[Any], None] = _nothing
    """what follows in the transaction that keeps the file"""

    @property
    def key(self) -> Any:  # noqa: ANN401 - a column
        """The column that tells the rows apart."""
        return inspect(self.table).primary_key[0]

    def wanted(self) -> ColumnElement[bool]:
        """Not there yet, and claimed by nobody."""
        table: Any = self.table
        free = or_(col(table.claimed_until).is_(None), col(table.claimed_until) < now())
        return col(table.file_id).is_(None) & free


def print_wanted(kind: Printed) -> int:
    """Print up to 20 documents of a kind; answers how many were made."""
    with transaction():
        pages = {key: kind.page(session().get_one(kind.table, key)) for key in _claimed(kind)}
    return sum(_keep(kind, key, content) for key, content in _rendered(pages).items())


def _claimed(kind: Printed) -> list[str]:
    waiting = select(kind.key).where(kind.wanted()).order_by(kind.key).limit(BATCH)
    claim = update(kind.table).values(claimed_until=now() + LEASE)
    return [
        key
        for key in session().exec(waiting).all()
        if update_one(claim.where(kind.key == key, kind.wanted()))
    ]


def _rendered(pages: dict[str, str]) -> dict[str, bytes]:
    """Each one's PDF. When the batch cannot be rendered, one by one: a single bad one holds up nobody else."""
    if not pages:
        return {}
    try:
        return dict(zip(pages, pdf.render(*pages.values()), strict=True))
    except NotRendered:
        if len(pages) == 1:
            log.warning("document not rendered", document=next(iter(pages)))
            return {}
    return {key: made for each, html in pages.items() for key, made in _rendered({each: html}).items()}


def _keep(kind: Printed, key: str, content: bytes) -> bool:
    with transaction():
        row: Any = session().get_one(kind.table, key)
        file = files.store(kind.name(row), "application/pdf", content)
        table: Any = kind.table
        missing = update(kind.table).where(kind.key == key, col(table.file_id).is_(None))
        if update_one(missing.values(file_id=file.id)):
            kind.then(row)
            return True
        session().delete(file)  # somebody else was first, after our claim had run out
        return False
