"""Tables for spreadsheets, parsed back: no cell is a formula, numbers are numbers."""

import csv
import io
import re
import zipfile
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from core.spreadsheets import Cell, as_csv, as_xlsx, harmless, unguarded

FORMULAS = [
    "=1+1", "+1", "-1+1", "-1e5", "-A1", "-1\n", "--1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "=cmd|' /C calc'!A0", '=HYPERLINK("http://evil.example")', "＝1+1", "＋1", "－1", "＠x",
    "  =1+1", " \t=1", "-", "=",
]  # fmt: skip
HARMLESS = [
    "Ana",
    "a=b",
    "1+1",
    "Zoë, 李 „x“ \U0001f600",
    "two\nlines",
    'say "hi"',
    "a;b",
    "",
    " ",
    "'quoted",
    "01234",
    "1e5",
    "http://example.org",
    "-5",
    "-12.90",
    "-0,05",
]


def read_csv(raw: bytes) -> list[list[str]]:
    assert raw.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")))


def read_xlsx(raw: bytes) -> list[list[object]]:
    sheet = load_workbook(io.BytesIO(raw)).active
    assert sheet is not None
    assert {cell.data_type for row in sheet for cell in row} <= {"s", "n"}, (
        "no formulas, no errors, no booleans"
    )
    return [list(row) for row in sheet.iter_rows(values_only=True)]


@pytest.mark.parametrize("text", FORMULAS)
def test_text_that_a_spreadsheet_would_run_is_led_by_an_apostrophe(text: str) -> None:
    assert harmless(text) == f"'{text}"
    assert unguarded(f"'{text}") == text
    assert read_csv(as_csv(["name"], [[text]]))[1] == [f"'{text}"]
    [shown] = read_xlsx(as_xlsx("People", ["name"], [[text]]))[1]
    assert isinstance(shown, str)
    assert shown.startswith("'")


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_comes_back_as_it_was(text: str) -> None:
    assert read_csv(as_csv(["name", "n"], [[text, 1]]))[1] == [text, "1"]
    assert read_xlsx(as_xlsx("People", ["name", "n"], [[text, 1]]))[1] == [text or None, 1]


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (5, "5"),
        (-5, "-5"),
        (Decimal("12.90"), "12.90"),
        (Decimal("-0.05"), "-0.05"),
        (0, "0"),
        (2**53, str(2**53)),
    ],
)
def test_numbers_stay_numbers_negative_ones_too(number: int | Decimal, written: str) -> None:
    assert read_csv(as_csv(["n"], [[number]]))[1] == [written]
    [shown] = read_xlsx(as_xlsx("Numbers", ["n"], [[number]]))[1]
    assert isinstance(shown, int | float)
    assert shown == pytest.approx(float(number))


def test_nothing_is_an_empty_cell() -> None:
    assert read_csv(as_csv(["a", "b"], [[None, 1]]))[1] == ["", "1"]
    assert read_xlsx(as_xlsx("S", ["a", "b"], [[None, 1]]))[1] == [None, 1]


def test_heads_are_made_harmless_too_and_no_rows_are_fine() -> None:
    assert read_csv(as_csv(["=1", "b"], [])) == [["'=1", "b"]]
    assert read_xlsx(as_xlsx("S", ["=1", "b"], [])) == [["'=1", "b"]]


def test_sheet_has_no_formula_and_no_link_inside() -> None:
    raw = as_xlsx("S" * 40, ["name"], [[text] for text in (*FORMULAS, *HARMLESS)])
    with zipfile.ZipFile(io.BytesIO(raw)) as parts:
        inside = {name: parts.read(name).decode() for name in parts.namelist()}
    assert not re.search(r"<f[ >]|hyperlink", inside["xl/worksheets/sheet1.xml"])
    assert not [name for name in inside if "externalLink" in name]


NUMBER = re.compile("-[0-9]+([.,][0-9]+)?")
CELLS = (
    st.none()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
)


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=5))
def test_any_table_comes_back_with_no_cell_that_runs(rows: Sequence[Sequence[Cell]]) -> None:
    parsed = read_csv(as_csv(["a", "b", "c"], rows))[1:]
    assert len(parsed) == len(rows)
    for row, back in zip(rows, parsed, strict=True):
        for cell, text in zip(row, back, strict=True):
            assert text == ("" if cell is None else str(harmless(cell)))
            assert not (
                isinstance(cell, str)
                and text.lstrip(" ").startswith(tuple("=+-@＝＋－＠"))
                and not NUMBER.fullmatch(text)
            )
    read_xlsx(as_xlsx("S", ["a", "b", "c"], rows))
