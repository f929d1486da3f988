from datetime import UTC, datetime

import pytest

from hub.programmes import Programme, Schedule
from rewards.payouts import periods

EARLY = datetime(2010, 1, 1, tzinfo=UTC)


def programme(schedule: Schedule, day: int, zone: str) -> Programme:
    return Programme(
        unit_id="u", slug="p", name="P", owner_ids=[], allowed_hosts=[], home_url="", time_zone=zone,
        payout_schedule=schedule, payout_day=day, created_at=EARLY,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("schedule", "day", "zone", "at", "name", "ends_at"),
    [
        ("monthly", 1, "UTC", "2026-11-15T12:00Z", "2026-11-01", "2026-11-01T00:00Z"),
        ("monthly", 1, "Europe/Berlin", "2026-10-31T22:59:59.999Z", "2026-10-01", "2026-09-30T22:00Z"),
        ("monthly", 1, "Europe/Berlin", "2026-10-31T23:00Z", "2026-11-01", "2026-10-31T23:00Z"),
        ("monthly", 1, "Pacific/Kiritimati", "2026-10-31T10:00Z", "2026-11-01", "2026-10-31T10:00Z"),
        ("monthly", 31, "UTC", "2028-02-29T00:00Z", "2028-02-29", "2028-02-29T00:00Z"),
        ("monthly", 30, "UTC", "2027-02-28T00:00Z", "2027-02-28", "2027-02-28T00:00Z"),
        ("monthly", 31, "UTC", "2026-12-30T23:59Z", "2026-11-30", "2026-11-30T00:00Z"),
        ("monthly", 29, "Europe/Berlin", "2026-03-29T12:00Z", "2026-03-29", "2026-03-28T23:00Z"),
        ("monthly", 25, "Europe/Berlin", "2026-10-26T12:00Z", "2026-10-25", "2026-10-24T22:00Z"),
        ("monthly", 8, "America/Santiago", "2024-09-08T05:00Z", "2024-09-08", "2024-09-08T04:00Z"),
        # The zone itself changes: Samoa left out 30 December 2011, Turkey stayed on summer time in 2016.
        ("weekly", 5, "Pacific/Apia", "2011-12-30T09:59Z", "2011-12-23", "2011-12-23T10:00Z"),
        ("weekly", 5, "Pacific/Apia", "2011-12-30T10:00Z", "2011-12-30", "2011-12-30T10:00Z"),
        ("monthly", 1, "Europe/Istanbul", "2016-10-31T21:00Z", "2016-11-01", "2016-10-31T21:00Z"),
        ("weekly", 1, "UTC", "2026-11-04T00:00Z", "2026-11-02", "2026-11-02T00:00Z"),
        ("weekly", 3, "UTC", "2026-11-04T00:00Z", "2026-11-04", "2026-11-04T00:00Z"),
        ("weekly", 7, "America/New_York", "2026-11-02T04:59Z", "2026-11-01", "2026-11-01T04:00Z"),
    ],
)
def test_the_last_closed_period(
    schedule: Schedule, day: int, zone: str, at: str, name: str, ends_at: str
) -> None:
    period = periods.last_closed(programme(schedule, day, zone), datetime.fromisoformat(at))
    assert period == periods.Period(name, datetime.fromisoformat(ends_at))


def test_the_next_closing_is_after_now_and_the_one_after_that_follows() -> None:
    last_day = programme("monthly", 31, "UTC")
    at = datetime(2026, 1, 31, tzinfo=UTC)
    names = []
    for _ in range(3):
        period = periods.next_closing(last_day, at)
        assert period is not None
        assert period.ends_at > at
        names.append(period.name)
        at = period.ends_at
    assert names == ["2026-02-28", "2026-03-31", "2026-04-30"]


def test_manual_programmes_never_close_by_themselves() -> None:
    by_hand = programme("manual", 1, "UTC")
    assert periods.last_closed(by_hand, EARLY) is None
    assert periods.next_closing(by_hand, EARLY) is None


def test_nothing_closes_before_the_programme_began() -> None:
    assert periods.last_closed(programme("monthly", 1, "UTC"), EARLY) is None
