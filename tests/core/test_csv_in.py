"""Uploaded tables: what spreadsheets write is read, what cannot be read is refused with the number of its line."""

import pytest

from core.csv_in import NotCsv, TooManyRows, WrongColumns, read_table
from core.errors import SpokesError
from core.spreadsheets import as_csv

COLUMNS = {"order": True, "amount": True, "note": False}


def read(text: str | bytes, most_rows: int = 10) -> list[tuple[int, dict[str, str]]]:
    raw = text.encode() if isinstance(text, str) else text
    return read_table(raw, COLUMNS, most_rows)


def row(order: str, amount: str, note: str = "") -> dict[str, str]:
    return {"order": order, "amount": amount, "note": note}


@pytest.mark.parametrize("between", [",", ";", "\t"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_what_spreadsheets_write_is_read(between: str, ends: str, mark: str) -> None:
    text = mark + ends.join([between.join(line) for line in (("Order", "Amount"), ("A-1", '"12,90"'))]) + ends
    assert read(text) == [(2, row("A-1", "12,90"))]


def test_rows_have_the_number_of_their_first_line_whatever_came_before() -> None:
    text = 'order,amount,note\n\nA-1,1,"two\nlines"\n,,\nA-2,2\n'
    assert read(text) == [(3, row("A-1", "1", "two\nlines")), (6, row("A-2", "2"))]


def test_columns_are_known_without_case_in_any_order_with_spaces() -> None:
    rows = read_table(b'"Order ID"; OCCURRED-AT\n7; today \n', {"occurred_at": True, "order_id": True}, 5)
    assert rows == [(2, {"occurred_at": "today", "order_id": "7"})]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "“order”, “amount” is missing"),
        ("order\n1\n", "“amount” is missing"),
        ("order,amount,colour\n", "“colour” is not known"),
        ("order,amount,Order\n", "“order” is there twice"),
    ],
)
def test_columns_that_do_not_fit_are_named(text: str, says: str) -> None:
    with pytest.raises(WrongColumns) as refused:
        read(text)
    assert says in refused.value.sentence
    assert "Known columns are order, amount, note" in refused.value.sentence


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"order,amount\nM\xfcller,1\n", "Line 2 is not UTF-8"),
        ("order,amount\nA,1\n".encode("utf-16"), "Line 1 is not UTF-8"),
        (b"order,amount\nA,\x001\n", "not a CSV file"),
        (b'order,amount\nA,1\nB,"2\n', "row that begins on line 3"),
        (b'order,amount\nA,"1"2\n', "row that begins on line 2"),
        (b"order,amount\nA,1,2\n", "Line 2 has more cells"),
        (b"order,amount,\nA,1,2\n", "Line 2 has something in a column without a name"),
        (b"order,amount\nA," + b"1" * 200_000 + b"\n", "row that begins on line 2"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(raw: bytes, says: str) -> None:
    with pytest.raises(NotCsv) as refused:
        read(raw)
    assert says in refused.value.sentence


def test_more_rows_than_are_taken_are_refused_not_cut_off() -> None:
    text = "order,amount\n" + "A,1\n" * 3
    assert len(read(text, most_rows=3)) == 3
    with pytest.raises(TooManyRows) as refused:
        read(text, most_rows=2)
    assert refused.value.sentence == "The file has more than 2 rows: please divide it."


def test_a_file_of_ours_comes_back_as_it_was() -> None:
    cells = ["=1+1", "-5", "'quoted'"]
    assert read(as_csv(["order", "amount", "note"], [cells])) == [(2, row(*cells))]
    assert read(b"order,amount,note\n'=1+1,'-5,'quoted'\n") == [(2, row(*cells))], "of older files too"


def test_every_refusal_is_one_a_person_can_read() -> None:
    assert all(issubclass(each, SpokesError) for each in (NotCsv, WrongColumns, TooManyRows))
