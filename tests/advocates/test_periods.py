"""Ranges of days taken apart into periods of the ladder."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advocates.periods import FIRST_DAY, LAST_DAY, UnknownPeriod, days_of, pieces_of


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        ("all", FIRST_DAY, LAST_DAY),
        ("2026", date(2026, 1, 1), date(2026, 12, 31)),
        ("2026-Q1", date(2026, 1, 1), date(2026, 3, 31)),
        ("2026-Q4", date(2026, 10, 1), date(2026, 12, 31)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("9999-12", date(9999, 12, 1), LAST_DAY),
    ],
)
def test_a_period_is_a_whole_range_and_back(period: str, first: date, last: date) -> None:
    assert days_of(period) == (first, last)
    assert pieces_of(first, last).periods == (period,)
    assert pieces_of(first, last).edges == ()


@pytest.mark.parametrize(
    "period", ["", "ALL", "0000", "2026-13", "2026-Q5", "2026-1", "26", "2026-11-01", "٢٠٢٦"]
)
def test_what_is_no_period(period: str) -> None:
    with pytest.raises(UnknownPeriod):
        days_of(period)


@given(st.dates(date(2019, 1, 1), date(2031, 12, 31)), st.integers(0, 2_000))
def test_the_pieces_cover_the_range_once_in_order_with_edges_only_at_the_ends(
    first: date, length: int
) -> None:
    last = first + timedelta(days=length)
    pieces = pieces_of(first, last)
    covered = sorted([*map(days_of, pieces.periods), *pieces.edges])
    assert (covered[0][0], covered[-1][1]) == (first, last)
    assert all(a[1] + timedelta(days=1) == b[0] for a, b in pairwise(covered))
    assert len(pieces.edges) <= 2
    assert all((b - a).days < 31 for a, b in pieces.edges)
