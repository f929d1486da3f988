"""Leaderboards: ranks and ties, who is named, who is never on it, and the same answer on both ways to it."""

import csv
import io
import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from pypdf import PdfReader
from sqlalchemy import Select, delete, literal, select, union_all

from advocates.leaderboard import (
    CurrencyNeeded,
    EmptyRange,
    LimitOutOfRange,
    Standings,
    Wanted,
    standings,
    the_currency,
)
from advocates.leaderboard_files import UnknownFormat, export, file_name
from advocates.membership import Membership
from advocates.periods import days_of
from core.access import COMMAND
from core.db import dialect, run, session, transaction
from core.money import UnknownCurrency
from core.people import get_person
from hub.metrics import Gain, LadderStep, SeriesPoint, UnknownMetric, add, differences
from hub.roles import give_role
from tests.factories import Cast, make_advocate, make_programme


def board(cast: Cast, metric: str = "sales", period: str = "all", **changes: object) -> Standings:
    units = frozenset({cast.hub.id, cast.north.id, cast.south.id})
    first, last = days_of(period)
    given: dict[str, Any] = {
        "metric": metric,
        "currency": None,
        "first": first,
        "last": last,
        "unit_ids": units,
        **changes,
    }
    return standings(Wanted(**given))


def gain(member: Membership, value: int, day: int = 20261102, metric: str = "sales") -> Gain:
    return Gain(metric, member.id, member.unit_id, day, value)


@pytest.fixture
def members(cast: Cast) -> list[Membership]:
    with transaction():
        made = [make_advocate(cast.programme, f"Ana {n}") for n in range(4)]
        made.append(make_advocate(cast.other_programme, "Sue South"))
        made[1].shown_by_name = True
        session().add(made[1])
        return made


def test_ties_share_a_rank_in_the_order_of_numbers_and_the_next_rank_is_skipped(
    cast: Cast, members: list[Membership]
) -> None:
    with transaction():
        add([gain(m, v) for m, v in zip(members, (5, 9, 5, 1, 0), strict=True)])
    with transaction(read_only=True):
        places = board(cast).places
    assert [(p.rank, p.membership_number, p.value) for p in places] == [
        (1, 2, 9),
        (2, 1, 5),
        (2, 3, 5),
        (4, 4, 1),
    ]
    assert [p.advocate for p in places] == ["Ana 1", "Advocate #1", "Advocate #3", "Advocate #4"]


def test_a_tie_at_the_last_place_is_cut_by_number(cast: Cast, members: list[Membership]) -> None:
    with transaction():
        add([gain(m, 7) for m in reversed(members)])
    with transaction(read_only=True):
        assert [p.membership_number for p in board(cast, limit=2).places] == [1, 2]


def test_staff_of_the_unit_or_above_are_never_on_it(cast: Cast, members: list[Membership]) -> None:
    with transaction():
        add([gain(m, 10 - m.number) for m in members])
        give_role(get_person(members[0].person_id), "marketing", cast.hub.id, by=COMMAND)
        give_role(get_person(members[1].person_id), "manager", cast.north.id, by=COMMAND)
        give_role(get_person(members[2].person_id), "manager", cast.south.id, by=COMMAND)
    with transaction(read_only=True):
        assert [p.membership_number for p in board(cast).places] == [3, 4, 5]


def test_a_unit_sees_its_own(cast: Cast, members: list[Membership]) -> None:
    with transaction():
        add([gain(m, m.number) for m in members])
    with transaction(read_only=True):
        found = board(cast, unit_ids=frozenset({cast.south.id})).places
        assert [(p.advocate, p.unit, p.unit_name) for p in found] == [("Advocate #5", "south", "South")]
        assert board(cast, unit_ids=frozenset()).places == ()
        assert len(board(cast, unit_ids=frozenset({cast.south.id, cast.north.id})).places) == 5


def test_every_length_of_board_is_the_top_of_the_longest_over_several_units_with_staff_among_the_first(
    cast: Cast, members: list[Membership]
) -> None:
    with transaction():
        more = [make_advocate(cast.other_programme, f"Sue {n}") for n in range(6)]
        add([gain(m, v) for m, v in zip([*members, *more], (4, 9, 9, 1, 9, 2, 8, 8, 3, 9, 0), strict=True)])
        give_role(get_person(members[1].person_id), "marketing", cast.hub.id, by=COMMAND)
    with transaction(read_only=True):
        longest = board(cast).places
        assert [(p.value, p.unit) for p in longest][:4] == [
            (9, "north"),
            (9, "south"),
            (9, "south"),
            (8, "south"),
        ]
        for limit in range(1, len(longest) + 1):
            assert board(cast, limit=limit).places == longest[:limit]


def test_what_was_taken_back_counts_where_it_happened(cast: Cast, members: list[Membership]) -> None:
    with transaction():
        add([gain(members[0], 3, 20260131), gain(members[0], -1, 20260201), gain(members[1], 2, 20260201)])
    with transaction(read_only=True):
        assert [(p.membership_number, p.value) for p in board(cast, period="2026-01").places] == [(1, 3)]
        assert [(p.membership_number, p.value) for p in board(cast, period="2026-02").places] == [(2, 2)]
        assert [(p.membership_number, p.value) for p in board(cast, period="2026-Q1").places] == [
            (1, 2),
            (2, 2),
        ]


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"metric": "followers"}, UnknownMetric),
        ({"metric": "revenue"}, CurrencyNeeded),
        ({"metric": "revenue", "currency": "XXQ"}, UnknownCurrency),
        ({"first": date(2026, 2, 1), "last": date(2026, 1, 31)}, EmptyRange),
        ({"limit": 0}, LimitOutOfRange),
        ({"limit": 1_001}, LimitOutOfRange),
    ],
)
def test_what_a_leaderboard_refuses(cast: Cast, changes: dict[str, Any], refusal: type[Exception]) -> None:
    with transaction(read_only=True), pytest.raises(refusal):
        board(cast, **changes)


def test_the_currency_is_named_when_units_have_several(cast: Cast) -> None:
    with transaction():
        assert the_currency(frozenset({cast.north.id})) == "EUR"
        make_programme(cast.north, "yankees", [cast.hub_admin, cast.manager], currency="USD")
        with pytest.raises(CurrencyNeeded):
            the_currency(frozenset({cast.north.id}))


@pytest.fixture
def facts(monkeypatch: pytest.MonkeyPatch) -> list[Gain]:
    """Facts that stand in a list; each is a row of the SELECT that the scoreboard is proven with."""
    stored: list[Gain] = []
    monkeypatch.setattr("hub.metrics._facts", {"revenue": lambda: _as_select(stored)})
    return stored


def _as_select(gains: list[Gain]) -> Select[Any]:
    names = ("metric", "member_id", "unit_id", "day", "value")
    rows = (select(*(literal(getattr(each, name)).label(name) for name in names)) for each in gains)
    return select(union_all(*rows).subquery())


Story = list[tuple[int, int, int]]
_stories = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 450), st.integers(-300, 900)), min_size=1, max_size=25
)


@given(story=_stories, start=st.integers(0, 400), length=st.integers(0, 420))
@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_range_sums_the_facts_on_whichever_way_it_takes(
    cast: Cast, members: list[Membership], facts: list[Gain], story: Story, start: int, length: int
) -> None:
    new_year = date(2025, 11, 20)
    facts[:] = [
        gain(members[who], value, int(f"{new_year + timedelta(days=after):%Y%m%d}"), "revenue:EUR")
        for who, after, value in story
    ]
    first, last = new_year + timedelta(days=start), new_year + timedelta(days=start + length)
    with transaction():
        run(delete(LadderStep))
        run(delete(SeriesPoint))
        add(facts)
    with transaction(read_only=True):
        assert differences() == []
        ranges = [
            (first, last),
            (date(first.year, first.month, 1), last),
            days_of(f"{first:%Y-%m}"),
            days_of("2026"),
        ]
        for begin, end in ranges:
            if begin <= end:
                found = board(cast, "revenue", currency="EUR", first=begin, last=end).places
                assert {p.membership_id: p.value for p in found} == _expected(facts, begin, end)


def _expected(facts: list[Gain], first: date, last: date) -> dict[str, int]:
    sums: dict[str, int] = {}
    for each in facts:
        if int(f"{first:%Y%m%d}") <= each.day <= int(f"{last:%Y%m%d}"):
            sums[each.member_id] = sums.get(each.member_id, 0) + each.value
    return {member: value for member, value in sums.items() if value > 0}


def test_a_whole_period_reads_the_ladder_by_its_index(cast: Cast, members: list[Membership]) -> None:
    if dialect() != "sqlite":
        pytest.skip("the plan is asked of SQLite, whose planner needs no statistics")
    seen: list[str] = []
    with transaction(read_only=True):
        driver: Any = session().connection().connection.dbapi_connection
        driver.set_trace_callback(seen.append)
        board(cast, period="2026-11")
        board(cast, period="2026-11", unit_ids=frozenset({cast.north.id}))
        driver.set_trace_callback(None)
        ladder = [each for each in seen if "ladder" in each]
        assert len(ladder) == 2
        plans = [
            " | ".join(str(row[3]) for row in driver.execute(f"EXPLAIN QUERY PLAN {each}")) for each in ladder
        ]
    for plan in plans:
        assert "ix_ladder_standings (metric=? AND period=? AND unit_id=?)" in plan  # each unit's last place
        assert "ix_ladder_standings (metric=? AND period=? AND unit_id=? AND value>?)" in plan
        assert "SCAN ladder" not in plan


@pytest.fixture
def revenue(cast: Cast, members: list[Membership]) -> Wanted:
    with transaction():
        get_person(members[1].person_id).name = '=HYPERLINK("https://evil.example")'
        add(
            [
                gain(m, v, metric="revenue:EUR")
                for m, v in zip(members[:3], (1290, 250_000, 1290), strict=True)
            ]
        )
    units = frozenset({cast.hub.id, cast.north.id, cast.south.id})
    first, last = days_of("2026-Q4")
    return Wanted("revenue", "EUR", first, last, units)


def exported(wanted: Wanted, fmt: str) -> bytes:
    with transaction(read_only=True):
        return export(wanted, fmt)


def test_csv_is_text_that_no_spreadsheet_runs_with_exact_sums(revenue: Wanted) -> None:
    content = exported(revenue, "csv")
    assert content.startswith(b"\xef\xbb\xbf")
    header, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig")))
    assert header == ["Rank", "Advocate", "Membership number", "Unit", "Revenue (EUR)"]
    assert rows == [
        ["1", '\'=HYPERLINK("https://evil.example")', "2", "North", "2500.00"],
        ["2", "Advocate #1", "1", "North", "12.90"],
        ["2", "Advocate #3", "3", "North", "12.90"],
    ]


def test_xlsx_has_numbers_as_numbers_and_no_formula(revenue: Wanted) -> None:
    sheet = load_workbook(io.BytesIO(exported(revenue, "xlsx"))).active
    assert sheet is not None
    rows = [[(cell.value, cell.data_type) for cell in row] for row in sheet.iter_rows(min_row=2)]
    assert rows[0][0] == (1, "n")
    assert rows[0][1] == ('\'=HYPERLINK("https://evil.example")', "s")
    assert (Decimal(str(rows[0][4][0])), rows[0][4][1]) == (Decimal(2500), "n")
    assert len(rows) == 3


def test_json_is_what_the_api_answers(revenue: Wanted) -> None:
    found = json.loads(exported(revenue, "json"))
    assert (found["metric"], found["currency"], found["from"], found["to"], found["next"]) == (
        "revenue",
        "EUR",
        "2026-10-01",
        "2026-12-31",
        None,
    )
    assert found["items"][1] == {
        "rank": 2,
        "advocate": "Advocate #1",
        "membership_number": 1,
        "unit": "north",
        "value": 1290,
    }


def test_pdf_is_tagged_titled_and_says_the_rule(revenue: Wanted) -> None:
    reader = PdfReader(io.BytesIO(exported(revenue, "pdf")))
    text = " ".join(" ".join(page.extract_text() for page in reader.pages).split())
    assert "1 October 2026 to 31 December 2026" in text
    assert "Advocate #1" in text
    assert "€2,500.00" in text
    assert "Staff are not on the board." in text
    assert reader.metadata is not None
    assert reader.metadata.title == "Leaderboard: Revenue (EUR), 1 October 2026 to 31 December 2026"
    root: Any = reader.trailer["/Root"]
    assert root["/Lang"] == "en"
    assert root["/MarkInfo"]["/Marked"]


def test_addresses_are_there_when_wanted_and_only_of_those_who_are_named(
    revenue: Wanted, members: list[Membership]
) -> None:
    with_emails = Wanted(**{**vars(revenue), "emails": True})
    rows = list(csv.reader(io.StringIO(exported(with_emails, "csv").decode("utf-8-sig"))))
    assert [row[5] for row in rows] == ["E-mail", "ana.1@example.org", "", ""]
    assert b"example.org" not in exported(revenue, "json")
    paper = PdfReader(io.BytesIO(exported(with_emails, "pdf"))).pages[0].extract_text()
    assert "ana.1@example.org" in "".join(paper.split())


def test_an_empty_board_is_a_file_too_and_other_formats_are_not(cast: Cast, revenue: Wanted) -> None:
    empty = Wanted("clicks", None, *days_of("all"), revenue.unit_ids)
    assert exported(empty, "csv").decode("utf-8-sig").count("\r\n") == 1
    assert PdfReader(io.BytesIO(exported(empty, "pdf"))).pages
    assert (file_name(empty, "csv"), file_name(revenue, "pdf")) == (
        "leaderboard-clicks-all.csv",
        "leaderboard-revenue-eur-2026-10-01-2026-12-31.pdf",
    )
    with pytest.raises(UnknownFormat):
        exported(empty, "docx")
