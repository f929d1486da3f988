"""The scoreboard: ladder and series always equal the facts, whoever adds at once."""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from threading import Event

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as generated
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text, delete, insert, update
from sqlalchemy import select as select_columns
from sqlmodel import col

from core.db import engine, run, session, transaction
from hub import metrics
from hub.metrics import (
    Gain,
    LadderStep,
    SeriesPoint,
    UnknownMetric,
    add,
    differences,
    facts_between,
    metric_from,
    metric_name,
    periods_of,
    series,
    value_of,
)
from tests.at_once import at_once

FACTS = Table(
    "fact_of_this_test", MetaData(),
    Column("metric", Text), Column("member_id", Text), Column("unit_id", Text), Column("day", Integer), Column("value", BigInteger),
)  # fmt: skip


@pytest.fixture
def facts(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A table of facts of this test's own, behind the families `clicks` and `revenue`."""
    monkeypatch.setattr(metrics, "_facts", {})
    FACTS.metadata.create_all(engine())
    metric_from("clicks", lambda: select_columns(FACTS).where(FACTS.c.metric == "clicks"))
    metric_from("revenue", lambda: select_columns(FACTS).where(FACTS.c.metric.startswith("revenue:")))
    yield
    FACTS.metadata.drop_all(engine())


def happened(*gains: Gain) -> None:
    with transaction():
        session().execute(insert(FACTS), [vars(each) for each in gains])
        add(gains)


def problems() -> list[str]:
    with transaction(read_only=True):
        return differences()


def gain(
    value: int = 1, *, metric: str = "clicks", member: str = "ana", unit: str = "north", day: int = 20261103
) -> Gain:
    return Gain(metric, member, unit, day, value)


@pytest.mark.parametrize(
    ("day", "periods"),
    [(20260101, "all 2026 2026-Q1 2026-01"), (20260331, "all 2026 2026-Q1 2026-03"), (20260401, "all 2026 2026-Q2 2026-04"),
     (20261231, "all 2026 2026-Q4 2026-12"), (19991001, "all 1999 1999-Q4 1999-10")],
)  # fmt: skip
def test_day_falls_into_its_periods(day: int, periods: str) -> None:
    assert " ".join(periods_of(day)) == periods


def test_gain_counts_in_every_period_of_its_day(facts: None) -> None:
    happened(gain(5), gain(7, day=20261203), gain(11, day=20250101))
    with transaction(read_only=True):
        assert [
            value_of("clicks", period, "ana") for period in ("all", "2026", "2026-Q4", "2026-11", "2026-10")
        ] == [23, 12, 12, 5, 0]


def test_series_counts_units_by_day(facts: None) -> None:
    happened(gain(5), gain(2, member="ben"), gain(1, unit="south"), gain(9, day=20261105))
    first = date(2026, 11, 1)
    with transaction(read_only=True):
        assert series("clicks", frozenset({"north"}), first, first + timedelta(days=3)) == {20261103: 7}
        assert series("clicks", frozenset({"north", "south"}), first, first + timedelta(days=4)) == {
            20261103: 8,
            20261105: 9,
        }
        assert series("clicks", frozenset(), first, first + timedelta(days=4)) == {}


def test_what_is_taken_back_is_gone_from_both(facts: None) -> None:
    happened(gain(5), gain(-5))
    with transaction(read_only=True):
        assert value_of("clicks", "all", "ana") == 0
    assert problems() == []


def test_nothing_to_add_is_fine(facts: None) -> None:
    with transaction():
        add([])
    assert problems() == []


GAINS = st.lists(st.builds(
    Gain, st.sampled_from(["clicks", "revenue:EUR", "revenue:JPY"]), st.sampled_from(["ana", "ben", "cleo"]), st.sampled_from(["north", "south"]),
    st.dates(date(2024, 12, 30), date(2027, 1, 2)).map(lambda day: int(f"{day:%Y%m%d}")), st.integers(-(10**12), 10**12),
), min_size=1, max_size=8)  # fmt: skip


@given(st.lists(GAINS, min_size=1, max_size=4))
@generated(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
def test_scoreboard_equals_the_facts_whatever_happened(facts: None, batches: list[list[Gain]]) -> None:
    with transaction():
        for table in (FACTS, LadderStep, SeriesPoint):
            run(delete(table))
    for batch in batches:
        happened(*batch)
    assert problems() == []
    with transaction(read_only=True):
        for metric, member in {(each.metric, each.member_id) for batch in batches for each in batch}:
            expected = sum(
                g.value for batch in batches for g in batch if (g.metric, g.member_id) == (metric, member)
            )
            assert value_of(metric, "all", member) == expected


def test_undone_fact_is_not_on_the_scoreboard(facts: None) -> None:
    def act() -> None:
        add([gain(5)])
        raise KeyError

    with pytest.raises(KeyError), transaction():
        act()
    with transaction(read_only=True):
        assert value_of("clicks", "all", "ana") == 0


def test_those_who_add_at_once_lose_nothing(facts: None) -> None:
    members = [f"member {number}" for number in range(8)]

    def batch(turn: int) -> None:
        order = members if turn % 2 else members[::-1]  # against each other, as two batches would
        for round_ in range(5):
            happened(*[gain(turn + 1, member=member, day=20261101 + round_) for member in order])

    assert at_once(*[partial(batch, turn) for turn in range(4)]) == [None] * 4
    assert problems() == []
    with transaction(read_only=True):
        assert {value_of("clicks", "2026-11", member) for member in members} == {5 * (1 + 2 + 3 + 4)}


def test_who_adds_twice_and_who_adds_once_do_not_wait_for_each_other(facts: None) -> None:
    first, second = Event(), Event()

    def moves() -> None:
        with transaction():
            session().execute(insert(FACTS), [vars(gain(-1)), vars(gain(member="ben"))])
            add([gain(-1)])
            first.set()
            second.wait(1)  # on SQLite nobody comes in between
            add([gain(member="ben")])

    def sells() -> None:
        first.wait(10)
        with transaction():
            session().execute(insert(FACTS), [vars(gain(member="ben"))])
            add([gain(member="ben")])
            second.set()

    assert at_once(moves, sells) == [None, None]
    assert problems() == []


def test_what_a_savepoint_added_goes_with_it(facts: None) -> None:
    with transaction():
        session().execute(insert(FACTS), [vars(gain(5))])
        add([gain(5)])
        savepoint = session().begin_nested()
        add([gain(7), gain(1, member="ben")])
        savepoint.rollback()
    assert problems() == []


def test_the_series_is_read_with_what_its_transaction_added(facts: None) -> None:
    day = date(2026, 11, 3)
    with transaction():
        add([gain(5)])
        assert series("clicks", frozenset({"north"}), day, day) == {20261103: 5}
        add([gain(2)])
        assert series("clicks", frozenset({"north"}), day, day) == {20261103: 7}


def test_more_gains_than_one_statement_takes_are_all_added(facts: None) -> None:
    happened(*[gain(member=f"m{number}") for number in range(1_300)])
    assert problems() == []


def test_every_kind_of_difference_is_found_and_named(facts: None) -> None:
    happened(gain(5), gain(3, metric="revenue:EUR", day=20260101))
    with transaction():
        run(update(LadderStep).where(col(LadderStep.period) == "2026-11").values(value=6))
        run(delete(SeriesPoint).where(col(SeriesPoint.metric) == "revenue:EUR"))
        session().add(LadderStep(metric="clicks", period="all", member_id="nobody", unit_id="north", value=1))
    assert problems() == [
        "ladder ('clicks', 'ana', '2026-11'): the facts say 5, the scoreboard 6",
        "ladder ('clicks', 'nobody', 'all'): the facts say 0, the scoreboard 1",
        "time series ('revenue:EUR', 'north', 20260101): the facts say 3, the scoreboard 0",
    ]


def test_counted_again_it_is_what_the_facts_sum_to(facts: None) -> None:
    happened(gain(5), gain(3, metric="revenue:EUR", day=20260101))
    with transaction():
        run(update(LadderStep).where(col(LadderStep.period) == "2026-11").values(value=6))
        run(delete(LadderStep).where(col(LadderStep.period) == "2026"))
        run(delete(SeriesPoint).where(col(SeriesPoint.metric) == "revenue:EUR"))
        session().add(LadderStep(metric="clicks", period="all", member_id="nobody", unit_id="north", value=1))
    with transaction():
        assert metrics.recount() == 5
    with transaction():
        assert metrics.recount() == 0
    assert problems() == []
    with transaction(read_only=True):
        step = session().get_one(LadderStep, ("clicks", "ana", "2026"))
        assert (step.value, step.unit_id) == (5, "north")


def test_what_happens_while_it_is_counted_again_is_counted_once(facts: None) -> None:
    happened(gain(5))
    with transaction():
        run(update(SeriesPoint).values(value=9))

    def count() -> None:
        with transaction():
            metrics.recount()

    at_once(count, lambda: happened(gain(1)), lambda: happened(gain(2, member="bo")), count)
    assert problems() == []


def test_facts_of_any_range_of_days(facts: None) -> None:
    happened(gain(1, day=20261101), gain(2, day=20261102), gain(4, day=20261103))
    with transaction(read_only=True):
        rows = session().execute(facts_between("clicks", 20261102, 20261103)).all()
    assert sorted(row.value for row in rows) == [2, 4]


def test_names_of_metrics() -> None:
    assert metric_name("clicks") == metric_name("clicks", "EUR") == "clicks"
    assert metric_name("revenue", "EUR") == "revenue:EUR"
    for family, currency in [
        ("followers", None),
        ("", None),
        ("revenue:EUR", None),
        ("revenue", None),
        ("revenue", ""),
    ]:
        with pytest.raises(UnknownMetric):
            metric_name(family, currency)
