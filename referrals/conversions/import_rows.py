"""The rows of imports: a file of conversions or refunds, line by line, what would become of each, and what did."""

from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import JSON, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from core.clock import now
from core.columns import key, moment, one_of, word

ImportKind = Literal["conversions", "refunds"]
ImportState = Literal["reading", "checked", "recording", "done"]
Outcome = Literal["", "new", "known", "refused"]


class ConversionImport(SQLModel, table=True):
    """A file that somebody brought: first tried, then, when they say so, recorded."""

    __tablename__ = "conversion_import"
    __table_args__ = (one_of("kind", get_args(ImportKind)), one_of("state", get_args(ImportState)))

    id: str = key()
    unit_id: str = Field(foreign_key="unit.id", index=True, sa_type=Text)
    kind: ImportKind = word()
    name: str = Field(sa_type=Text)
    """the file's"""
    sha256: str = Field(sa_type=Text)
    """of the file: what is confirmed is what was shown"""
    state: ImportState = word("reading")
    brought_by: str = Field(foreign_key="person.id", sa_type=Text)
    brought_at: datetime = moment(now)
    due_at: datetime = moment(now, index=True)
    """a clock that works on it holds it until then"""


class ImportRow(SQLModel, table=True):
    """A line of it."""

    __tablename__ = "conversion_import_row"
    __table_args__ = (
        UniqueConstraint("import_id", "line"),
        one_of("foretold", get_args(Outcome)),
        one_of("outcome", get_args(Outcome)),
    )

    id: str = key()
    import_id: str = Field(foreign_key="conversion_import.id", sa_type=Text)
    line: int
    external_id: str = Field(default="", sa_type=Text)
    said: dict[str, Any] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    """what is recorded, as the API takes it; None when the line could not be read, and after it is recorded"""
    cells: dict[str, str] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    """the line as it stood in the file, of an e-mail address its hash; None after it is recorded"""
    foretold: Outcome = word("")
    outcome: Outcome = word("")
    why: str = Field(default="", sa_type=Text)
    """the reason of the attribution, or of the refusal; at first foretold, then as it is"""
    membership_id: str | None = Field(default=None, foreign_key="membership.id", sa_type=Text)
    """whose it would be, or is"""
    shares: dict[str, int] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    """membership → basis points, where several would share it, or do"""
