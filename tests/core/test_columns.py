"""Columns: moments are UTC both ways, words are checked, amounts have 64 bits, ids cannot be guessed."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError, StatementError
from sqlmodel import select

from core.columns import UtcDateTime, one_of
from core.db import session, transaction
from core.ids import ID_PATTERN, new_id
from core.invitations import MailedToken
from core.people import Person, register
from hub.metrics import Gain, LadderStep, add


def test_moment_comes_back_as_the_same_moment_in_utc(database: str) -> None:
    kathmandu = datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    with transaction():
        session().add(Person(email="a@example.org", name="A", created_at=kathmandu))
    with transaction(read_only=True):
        stored = session().exec(select(Person.created_at)).one()
    assert stored == kathmandu
    assert stored.utcoffset() == timedelta(0)


def test_naive_moment_never_reaches_the_database(database: str) -> None:
    with pytest.raises(StatementError, match="without a time zone"), transaction():
        session().add(Person(email="a@example.org", name="A", created_at=datetime(2026, 1, 1)))  # noqa: DTZ001 - naive on purpose


@given(st.datetimes(timezones=st.timezones(), min_value=datetime(1902, 1, 1), max_value=datetime(9998, 1, 1)))  # noqa: DTZ001 - bounds
def test_any_moment_goes_in_and_out_of_sqlite_unchanged(moment: datetime) -> None:
    column, dialect = UtcDateTime(), sqlite.dialect()
    kept = column.process_bind_param(moment, dialect)
    assert kept is not None
    assert kept.tzinfo is None
    assert column.process_result_value(kept, dialect) == moment.astimezone(UTC)


def test_nothing_stays_nothing() -> None:
    for dialect in (sqlite.dialect(), postgresql.dialect()):  # type: ignore[no-untyped-call]  # SQLAlchemy's
        assert UtcDateTime().process_bind_param(None, dialect) is None
        assert UtcDateTime().process_result_value(None, dialect) is None


def test_word_outside_the_list_is_refused_by_the_table(database: str) -> None:
    with transaction():
        person = register("a@example.org", "A")
    facts: dict[str, Any] = {
        "secret_hash": "h",
        "purpose": "theft",
        "person_id": person.id,
        "expires_at": person.created_at,
    }
    with pytest.raises(IntegrityError), transaction():
        session().add(MailedToken(**facts))


def test_check_is_named_after_its_column() -> None:
    check = one_of("state", ["open", "shut"])
    assert (check.name, str(check.sqltext)) == ("state", "state IN ('open', 'shut')")


def test_amounts_hold_64_bits(database: str) -> None:
    largest = 2**63 - 1
    with transaction():
        add([Gain("revenue:IDR", "m", "u", 20260101, largest)])
    with transaction(read_only=True):
        assert session().exec(select(LadderStep.value).where(LadderStep.period == "all")).one() == largest


def test_ids_have_their_pattern_sort_by_time_and_never_repeat() -> None:
    made = [new_id() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert all(re.fullmatch(ID_PATTERN, each) for each in made)
    assert made[0][:9] <= made[-1][:9]
