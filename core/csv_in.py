"""Tables that people upload: CSV as their spreadsheets write it, read into rows with the number of their line."""

import csv
import io
from collections.abc import Iterator, Mapping

from core.errors import Invalid, TooLarge
from core.spreadsheets import unguarded

_DELIMITERS = (",", ";", "\t")
MOST_NAMED = 8
"""how many columns a refusal names"""


class NotCsv(Invalid):
    """This is not a CSV file that can be read: please save it as CSV in UTF-8."""


class WrongColumns(Invalid):
    """The first line of the file does not name the columns that are needed."""


class TooManyRows(TooLarge):
    """The file has more rows than are taken at once."""


Row = tuple[int, dict[str, str]]


def read_table(raw: bytes, columns: Mapping[str, bool], most_rows: int) -> list[Row]:
    """The rows of a CSV file as (number of their first line, column → trimmed text); empty rows are left out.

    `columns` says which there may be and whether each is required; every row has all of them, empty where the file
    has none. UTF-8 with or without a byte order mark; comma, semicolon or tab, found out by the first line. Names of
    columns are read without case, with spaces or hyphens for underscores. An apostrophe that our own files put before
    a formula is taken off again. Raises NotCsv, WrongColumns or TooManyRows, each with a sentence.
    """
    text = _decoded(raw)
    lines = _lines(text, _delimiter(text, columns))
    _number, header = next(lines, (1, [""]))
    names = [_name(each) for each in header]
    _check(names, columns)
    rows: list[Row] = []
    for number, cells in lines:
        if len(rows) >= most_rows:
            raise TooManyRows(f"The file has more than {most_rows:,} rows: please divide it.")
        rows.append((number, dict.fromkeys(columns, "") | _named(number, names, cells)))
    return rows


def _decoded(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise NotCsv(f"Line {line} is not UTF-8: please save the file as CSV in UTF-8.") from error
    if "\0" in text:
        raise NotCsv
    return text


def _delimiter(text: str, columns: Mapping[str, bool]) -> str:
    """The delimiter under which the first line names the most known columns."""
    first = text.lstrip("\r\n").split("\n", 1)[0]
    return max(_DELIMITERS, key=lambda each: sum(_name(cell) in columns for cell in first.split(each)))


def _lines(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(Number of its first line, cells) of every row that has something in it."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begins = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield begins, cells
            begins = reader.line_num + 1
    except csv.Error as error:
        raise NotCsv(f"The row that begins on line {begins} cannot be read as CSV: {error}.") from error


def _name(cell: str) -> str:
    return cell.strip().strip('"').strip().lower().replace(" ", "_").replace("-", "_")


def _check(names: list[str], columns: Mapping[str, bool]) -> None:
    named = [each for each in names if each]
    problems = {
        "is missing": [each for each, required in columns.items() if required and each not in named],
        "is not known": [each for each in dict.fromkeys(named) if each not in columns],
        "is there twice": [each for each in dict.fromkeys(named) if named.count(each) > 1],
    }
    said = [f"{_quoted(wrong)} {what}" for what, wrong in problems.items() if wrong]
    if said:
        known = ", ".join(columns)
        raise WrongColumns(f"The first line names the columns: {'; '.join(said)}. Known columns are {known}.")


def _quoted(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(f"“{each[:40]}”" for each in names[:MOST_NAMED]) + more


def _named(number: int, names: list[str], cells: list[str]) -> dict[str, str]:
    if any(cell.strip() for cell in cells[len(names) :]):
        raise NotCsv(f"Line {number} has more cells than the first line has columns.")
    pairs = zip(names, cells, strict=False)
    if any(cell.strip() for name, cell in pairs if not name):
        raise NotCsv(f"Line {number} has something in a column without a name.")
    return {name: unguarded(cell.strip()) for name, cell in zip(names, cells, strict=False) if name}
