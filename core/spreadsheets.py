"""Tables for spreadsheets: CSV and XLSX in which no cell can become a formula and numbers stay numbers."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import chain, islice, zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

Cell = str | int | Decimal | None
CSV = "text/csv; charset=utf-8"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LOOKED_AT, MARGIN, WIDEST = 200, 2, 60
"""rows by which columns get their width, and the width in characters beside the text and at most"""
_STARTS_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")  # their full-width forms too: some programs fold them
_NUMBER = re.compile(r"-[0-9]+([.,][0-9]+)?")


def harmless(cell: Cell) -> Cell:
    """Text that a spreadsheet would run is led by an apostrophe (OWASP, CSV injection); the rest stays as it is, -5 too."""
    if isinstance(cell, str) and _runs(cell) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def unguarded(text: str) -> str:
    """The text of a cell without the apostrophe that `harmless` put before it."""
    return text[1:] if text[:1] == "'" and _runs(text[1:]) else text


def _runs(text: str) -> bool:
    return text.lstrip(" ")[:1] in _STARTS_FORMULA and bool(text.strip(" "))


def as_csv(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """UTF-8 with a byte order mark (spreadsheets guess wrong without it), comma-separated, CRLF."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([harmless(each) for each in header])
    writer.writerows([harmless(each) for each in row] for row in rows)
    return ("\ufeff" + text.getvalue()).encode()


def as_xlsx(sheet: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """One sheet with a bold, frozen header; strings are written as strings, whatever they look like.

    Rows go to a file as they come, so that a long table needs no more memory than a short one; columns are as wide as the
    header and the first rows ask for.
    """
    from xlsxwriter import Workbook  # 3 MiB in every process, for a file now and then

    coming = iter(rows)
    first = list(islice(coming, LOOKED_AT))
    with TemporaryDirectory(prefix="spokes-xlsx-") as folder:
        path = Path(folder, "table.xlsx")
        options = {
            "constant_memory": True,
            "tmpdir": folder,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        }
        with Workbook(path, options) as book:
            page = book.add_worksheet(sheet[:31])
            for column, width in enumerate(_widths([header, *first])):
                page.set_column(column, column, width)
            page.freeze_panes(1, 0)
            page.write_row(0, 0, [harmless(each) for each in header], book.add_format({"bold": True}))
            for number, row in enumerate(chain(first, coming), start=1):
                _write(page, number, row)
        return path.read_bytes()


def _write(page: Any, number: int, row: Sequence[Cell]) -> None:  # noqa: ANN401 - xlsxwriter ships no types
    """One row; each cell by its kind, which spares xlsxwriter guessing it."""
    for column, cell in enumerate(row):
        if isinstance(cell, str):
            if cell:
                page.write_string(number, column, harmless(cell))
        elif cell is not None:
            page.write_number(number, column, cell)


def _widths(rows: Iterable[Sequence[Cell]]) -> list[int]:
    """How wide each column should be, in characters."""
    columns = zip_longest(*rows, fillvalue=None)
    return [min(max(len(str(each or "")) for each in cells) + MARGIN, WIDEST) for cells in columns]
