from datetime import date

import pytest

from core.errors import SpokesError
from referrals.links.link_rows import (
    MOST_BYTES,
    MOST_ROWS,
    NotATable,
    NotUtf8,
    TableEmpty,
    TableTooLarge,
    read_rows,
    text_of,
)

TABLE = "code,advocate,campaign,ends\nana,12,spring,2026-12-31\n"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_tables_of_every_spreadsheet_are_read(separator: str, ending: str) -> None:
    text = TABLE.replace(",", separator).replace("\n", ending)
    (read,) = read_rows(text_of(b"\xef\xbb\xbf" + text.encode()))
    assert read.row is not None
    assert (read.line, read.row.code, read.row.advocate) == (2, "ana", "12")
    assert (read.row.campaign, read.row.ends) == ("spring", date(2026, 12, 31))


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    read = read_rows('Advocate ,destination\n\n1,"a\nb"\n , \n2,')
    assert [each.line for each in read] == [3, 6]


def test_what_our_own_files_have_more_is_passed_over() -> None:
    (read,) = read_rows("code,advocate,name,clicks,state\nana,#7,Ana,12,runs\n")
    assert read.cells == {"code": "ana", "advocate": "#7"}


def test_an_apostrophe_that_kept_a_cell_from_being_a_formula_is_taken_off() -> None:
    (read,) = read_rows("advocate,campaign\n1,'-spring\n")
    assert read.row is not None
    assert read.row.campaign == "-spring"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("1,,,soon", "ends: Write a day as 2026-12-31."),
        ("1,,,1700000000", "ends: Write a day"),
        ("1,,,2026-02-30", "ends: "),
        (",ana,,", "advocate: This is required."),
        ("1,ana,<b>,", "campaign: "),
        ("1,a\x1bb,,", "code: Contains characters"),
        ("1,ana,,,more", "more cells than columns"),
    ],
)
def test_rows_that_cannot_be_read_say_why(row: str, says: str) -> None:
    (read,) = read_rows(f"advocate,code,campaign,ends\n{row}")
    assert read.row is None
    assert says in read.problem


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("", NotATable),
        ("code,campaign\nana,x", NotATable),
        ("advocate,advocate\n1,2", NotATable),
        ("advocate,colour\n1,red", NotATable),
        ('advocate\n"1', NotATable),
        ("advocate\n\n  \n", TableEmpty),
        ("advocate\n" + "1\n" * (MOST_ROWS + 1), TableTooLarge),
        ("advocate\n" + "x" * MOST_BYTES, TableTooLarge),
    ],
)
def test_what_no_table_is(text: str, refusal: type[SpokesError]) -> None:
    with pytest.raises(refusal):
        read_rows(text)


def test_a_file_in_another_encoding_or_too_large_is_refused() -> None:
    with pytest.raises(NotUtf8):
        text_of("advocate\nJürgen".encode("latin-1"))
    with pytest.raises(TableTooLarge):
        text_of(b"x" * (MOST_BYTES + 1))
