"""A table of links as people send it: CSV out of a spreadsheet or pasted, read into rows that say where they stood."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import ValidationError
from pydantic.types import StringConstraints

from core.errors import Invalid
from core.inputs import Input, InvalidInput, refuse
from core.spreadsheets import unguarded
from referrals.links.link_list import HEADER
from referrals.links.links_input import Address, Campaign, Code, Day

MOST_ROWS = 2_000
MOST_BYTES = 300_000
COLUMNS = HEADER[:7]
REQUIRED = "advocate"


class LinkRow(Input):
    """A link to open, as a row says it."""

    code: Code | None = None
    advocate: Annotated[str, StringConstraints(min_length=1, max_length=254)]
    """e-mail or membership number"""
    destination: Address | None = None
    campaign: Campaign = ""
    coupon: Code | None = None
    starts: Day | None = None
    ends: Day | None = None


@dataclass(frozen=True)
class ReadRow:
    """A row with the line it began in; without `row` it could not be read, and `problem` says why."""

    line: int
    cells: dict[str, str]
    row: LinkRow | None
    problem: str


class NotUtf8(Invalid):
    """This file is not UTF-8. Save it again as “CSV UTF-8”."""


class NotATable(Invalid):
    """The first line has to name the columns: code, advocate, destination, campaign, coupon, starts, ends."""


class TableTooLarge(Invalid):
    """That is more than 2,000 rows or 300 kB. Please send it in parts."""


class TableEmpty(Invalid):
    """There is nothing beneath the first line."""


def text_of(content: bytes) -> str:
    """The text of a file, with or without a byte order mark; raises TableTooLarge, NotUtf8."""
    if len(content) > MOST_BYTES:
        raise TableTooLarge
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotUtf8 from error


def plain(text: str) -> str:
    """The text as it is compared and kept in a form: without byte order mark, its lines ended by line feeds."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").strip()


def read_rows(text: str) -> list[ReadRow]:
    """The rows of a table separated by commas, semicolons or tabs; empty lines are passed over.

    Raises NotATable, TableEmpty, TableTooLarge.
    """
    text = plain(text)
    if len(text.encode(errors="replace")) > MOST_BYTES:
        raise TableTooLarge
    header, lines = _lines(text)
    rows = [
        _read(line, dict(zip(header, cells, strict=False)), cells[len(header) :]) for line, cells in lines
    ]
    if not rows:
        raise TableEmpty
    return rows


def _lines(text: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(",;\t", key=first.count), strict=True)
    try:
        header = [each.strip().lower() for each in next(reader, [])]
        _require_columns(header)
        return header, list(_numbered(reader))
    except csv.Error as error:
        raise NotATable(f"Line {reader.line_num} is not CSV: a quotation mark has no partner.") from error


def _numbered(reader: Any) -> Iterator[tuple[int, list[str]]]:  # noqa: ANN401 - csv's own, whose type has no public name
    """Each row that says something, with the line it began in."""
    count, began = 0, reader.line_num + 1
    for cells in reader:
        if any(each.strip() for each in cells):
            count += 1
            if count > MOST_ROWS:
                raise TableTooLarge
            yield began, cells
        began = reader.line_num + 1


def _require_columns(header: list[str]) -> None:
    if REQUIRED not in header or len(set(header)) < len(header):
        raise NotATable
    unknown = [each for each in header if each not in HEADER]
    if unknown:
        raise NotATable(f"There is no column “{unknown[0][:40]}”. There are {', '.join(COLUMNS)}.")


def _read(line: int, cells: dict[str, str], more: list[str]) -> ReadRow:
    known = {name: unguarded(value.strip()) for name, value in cells.items() if name in COLUMNS}
    if any(each.strip() for each in more):
        return ReadRow(line, known, None, "There are more cells than columns.")
    try:
        row = LinkRow.model_validate({name: value for name, value in known.items() if value})
    except ValidationError as error:
        return ReadRow(line, known, None, _sentence(refuse(error)))
    return ReadRow(line, known, row, "")


def _sentence(refusal: InvalidInput) -> str:
    return " ".join(f"{name}: {sentence}" for name, sentence in refusal.problems.items())
