"""Pages by cursor: every row once, whatever arrives in between, and no cursor from outside does harm."""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as generated
from hypothesis import strategies as st
from sqlmodel import col, select

from core.audit import AuditEntry
from core.db import session, transaction
from core.paging import MAX_LIMIT, Page, Sortable, WrongCursor, page_of, signed
from core.people import Person
from hub.metrics import SeriesPoint

pytestmark = pytest.mark.usefixtures("settings")
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def fill(count: int, start: int = 0) -> None:
    """People of whom three each share a moment."""
    with transaction():
        for number in range(start, start + count):
            joined = FIRST + timedelta(days=number // 3)
            session().add(Person(email=f"{number:03}@example.org", name=f"{number:03}", created_at=joined))


def page(after: str | None = None, limit: int = 4, *, descending: bool = True) -> Page[Person]:
    with transaction(read_only=True):
        order = ((col(Person.created_at), "created_at"), (col(Person.id), "id"))
        return page_of(select(Person), *order, after=after, limit=limit, descending=descending)


def walk(limit: int, *, descending: bool) -> list[Person]:
    found, after = list[Person](), None
    while True:
        shown = page(after, limit, descending=descending)
        found += shown.items
        after = shown.next
        if after is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 10, 11, 50])
@pytest.mark.parametrize("descending", [True, False])
def test_walking_the_pages_meets_every_row_once_in_order(database: str, limit: int, descending: bool) -> None:
    fill(10)
    found = walk(limit, descending=descending)
    assert len({each.id for each in found}) == len(found) == 10
    assert found == sorted(found, key=lambda each: (each.created_at, each.id), reverse=descending)


def test_rows_that_arrive_in_between_neither_repeat_nor_hide_others(database: str) -> None:
    fill(6)
    first = page(limit=3)
    fill(3, start=6)
    rest = page(first.next, limit=50)
    assert sorted(each.name for each in [*first.items, *rest.items]) == [f"00{number}" for number in range(6)]


def test_empty_list_has_one_empty_page(database: str) -> None:
    assert page() == Page([], None)
    assert page("") == Page([], None)


@pytest.mark.parametrize(("asked", "got"), [(0, 1), (-5, 1), (10**9, 5), (MAX_LIMIT, 5)])
def test_limit_stays_in_its_bounds(database: str, asked: int, got: int) -> None:
    fill(5)
    assert len(page(limit=asked).items) == got


PEOPLE = (col(Person.created_at), col(Person.id))


def cursor(value: object, columns: Sequence[Sortable] = PEOPLE) -> str:
    """As if we had written it: what comes behind our mark is looked at all the same."""
    return signed(json.dumps(value).encode(), columns)


@pytest.mark.parametrize("place", [0, 5, 20, -1])
def test_a_cursor_that_was_changed_is_refused(database: str, place: int) -> None:
    fill(5)
    good = page().next
    assert good is not None
    assert page(good).items
    raw = bytearray(base64.urlsafe_b64decode(good + "=" * (-len(good) % 4)))
    raw[place] ^= 1
    with pytest.raises(WrongCursor):
        page(base64.urlsafe_b64encode(raw).decode())


def test_a_cursor_of_another_list_is_refused(database: str) -> None:
    fill(5)
    good = page().next
    with transaction(read_only=True), pytest.raises(WrongCursor):
        page_of(select(Person), (col(Person.name), "name"), (col(Person.id), "id"), after=good)


def test_a_cursor_without_our_mark_is_refused(database: str) -> None:
    for plain in ([MOMENT, "a"], [MOMENT, "zzz"], []):
        with pytest.raises(WrongCursor):
            page(base64.urlsafe_b64encode(json.dumps(plain).encode()).decode())


MOMENT = {"at": "2026-01-01T00:00:00+00:00"}
HOSTILE: list[object] = [
    "x", "%", "=", "====", "\0", "é", "\ud800", "x" * 1_000, "../../etc/passwd", "' OR 1=1 --", base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    *([each] for each in [
        None, 5, 1.5, True, "text", {}, [], {"at": "x"}, [MOMENT], [MOMENT, "a", "b"], [MOMENT, 5], [MOMENT, None], [MOMENT, ["a"]],
        [MOMENT, MOMENT], [MOMENT, {"at": 5}], [{"at": "2026-01-01"}, "a"], [{"at": None}, "a"], [{"on": "x"}, "a"], ["2026", "a"], [True, "a"],
        [0, "a"], [MOMENT, "nul\0"], [MOMENT, "\ud800"], [{"at": "0001-01-01T00:00:00+14:00"}, "a"], [{"at": "9999-12-31T23:59:59-14:00"}, "a"],
        [MOMENT, 2**63], [float("nan"), "a"], [float("inf"), "a"],
    ]),
    base64.urlsafe_b64encode(b"[" * 100_000).decode(), base64.urlsafe_b64encode(b"[" + b"9" * 5_000 + b',"a"]').decode(),
]  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_cursor_of_another_kind_is_refused_in_a_sentence(database: str, hostile: object) -> None:
    with pytest.raises(WrongCursor) as refused:
        page(hostile if isinstance(hostile, str) else cursor(hostile[0]))  # type: ignore[index]  # a list of one
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00", "2026-01-01T05:45:00+05:45"]
)
def test_made_up_cursor_of_the_right_kind_shows_rows_that_could_be_asked_for_anyway(
    database: str, at: str
) -> None:
    fill(3)
    assert len(page(cursor([{"at": at}, "zzz"])).items) in {0, 3}


@pytest.mark.parametrize("number", [0, -1, 2**31 - 1, -(2**31) + 1])
def test_numbers_of_any_size_a_column_could_hold_are_compared(database: str, number: int) -> None:
    with transaction(read_only=True):
        assert (
            page_of(
                select(SeriesPoint),
                (col(SeriesPoint.day), "day"),
                after=cursor([number], [col(SeriesPoint.day)]),
            ).items
            == []
        )


@pytest.mark.parametrize("value", ["1", 1.0, True, 2**31, -(2**31), 2**63, -(2**63) - 1, None, [1], MOMENT])
def test_cursor_that_is_no_number_is_refused_where_one_is_sorted_by(database: str, value: object) -> None:
    with transaction(read_only=True), pytest.raises(WrongCursor):
        page_of(
            select(SeriesPoint), (col(SeriesPoint.day), "day"), after=cursor([value], [col(SeriesPoint.day)])
        )


@pytest.mark.parametrize("number", [2**31, -(2**63) + 1, 2**63 - 1])
def test_large_numbers_are_compared_where_the_column_holds_them(database: str, number: int) -> None:
    with transaction(read_only=True):
        order = (col(AuditEntry.seq), "seq")
        assert page_of(select(AuditEntry), order, after=cursor([number], [col(AuditEntry.seq)])).items == []
        with pytest.raises(WrongCursor):
            page_of(select(AuditEntry), order, after=cursor([2**63], [col(AuditEntry.seq)]))


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[]))
    | st.builds(lambda at: {"at": at}, st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat) | st.text()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2), max_leaves=5,
)  # fmt: skip


@given(
    st.tuples(st.just(True), st.tuples(JSONS, JSONS) | JSONS)
    | st.tuples(
        st.just(False), st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode())
    )
)
@generated(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
def test_whatever_is_sent_as_a_cursor_is_a_page_or_a_refusal(
    database: str, sent: tuple[bool, object]
) -> None:
    ours, content = sent
    try:
        page(cursor(content) if ours else str(content))
    except WrongCursor as refused:
        assert refused.sentence  # noqa: PT017 - either is fine, and nothing else is
