"""Tables for spreadsheets: CSV and XLSX in which no cell can become a formula and numbers stay numbers."""

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal

from xlsxwriter import Workbook

Cell = str | int | Decimal | None
CSV = "text/csv; charset=utf-8"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_STARTS_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")  # their full-width forms too: some programs fold them


def harmless(cell: Cell) -> Cell:
    """Text that a spreadsheet would run is led by an apostrophe (OWASP, CSV injection); the rest stays as it is."""
    if isinstance(cell, str) and cell.lstrip(" ")[:1] in _STARTS_FORMULA and cell.strip(" "):
        return f"'{cell}"
    return cell


def as_csv(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """UTF-8 with a byte order mark (spreadsheets guess wrong without it), comma-separated, CRLF."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([harmless(each) for each in header])
    writer.writerows([harmless(each) for each in row] for row in rows)
    return ("\ufeff" + text.getvalue()).encode()


def as_xlsx(sheet: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """One sheet with a bold, frozen header; strings are written as strings, whatever they look like."""
    file = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with Workbook(file, options) as book:
        page = book.add_worksheet(sheet[:31])
        page.write_row(0, 0, [harmless(each) for each in header], book.add_format({"bold": True}))
        page.freeze_panes(1, 0)
        for number, row in enumerate(rows, start=1):
            page.write_row(number, 0, [harmless(each) for each in row])
        page.autofit()
    return file.getvalue()
