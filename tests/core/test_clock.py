"""Time: aware, UTC, from one place."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from core.clock import at, day_number, in_zone, now
from tests.at_once import at_once


def test_now_is_aware_utc_and_moves() -> None:
    first = now()
    assert first.utcoffset() == timedelta(0)
    assert now() >= first


def test_inside_at_the_clock_stands_still_and_afterwards_runs_again() -> None:
    moment = datetime(2026, 2, 28, 23, 30, tzinfo=timezone(timedelta(hours=-2)))
    with at(moment):
        assert now() == datetime(2026, 3, 1, 1, 30, tzinfo=UTC)
        with at(moment + timedelta(days=1)):
            assert now() == moment + timedelta(days=1)
        assert now() == moment
    assert abs(now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_standing_clock_stands_still_in_its_own_thread_only() -> None:
    with at(datetime(2000, 1, 1, tzinfo=UTC)):
        [elsewhere] = at_once(now)
    assert isinstance(elsewhere, datetime)
    assert elsewhere.year > 2000


def test_day_number_is_the_day_in_utc() -> None:
    assert day_number(datetime(2026, 12, 31, 23, 30, tzinfo=timezone(timedelta(hours=-1)))) == 20270101
    assert day_number(datetime(2026, 2, 3, tzinfo=UTC)) == 20260203


def test_a_moment_beyond_what_a_zones_clocks_can_show_is_shown_in_utc() -> None:
    berlin, honolulu = ZoneInfo("Europe/Berlin"), ZoneInfo("Pacific/Honolulu")
    last, first = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
    assert (in_zone(last, berlin), in_zone(first, honolulu)) == (last, first)
    assert in_zone(last, honolulu).hour == 13
