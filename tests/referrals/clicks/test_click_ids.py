"""Ids of clicks: their time can be read again, and they are in its order."""

from datetime import UTC, datetime

from referrals.clicks.click_ids import first_click_id, ms_of, new_click_id


def test_an_id_says_its_millisecond() -> None:
    for ms in (0, 1, 1_700_000_000_123, 2**48 - 1):
        assert ms_of(new_click_id(ms)) == ms


def test_ids_are_in_the_order_of_time() -> None:
    moment = datetime(2026, 12, 1, tzinfo=UTC)
    ms = int(moment.timestamp() * 1000)
    assert new_click_id(ms - 1) < first_click_id(moment) <= new_click_id(ms) < new_click_id(ms + 1)
