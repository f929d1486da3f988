from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import select

from core import clock, db
from core.clock import day_number
from hub import metrics
from hub.programmes import Programme
from referrals.clicks import click_facts, clicks, forgetting, link_proof
from referrals.clicks.click_ids import new_click_id
from referrals.clicks.clicks import Click
from referrals.clicks.forgetting import forget_clicks
from referrals.clicks.journal_lines import ClickRecord, fields_of
from referrals.clicks.link_days import LinkDay, clicks_by_day
from referrals.clicks.link_referrers import sources_of
from referrals.links.links import Link
from tests.at_once import at_once
from tests.factories import Cast
from tests.referrals.stories import make_earner, make_link

TODAY = datetime(2026, 11, 2, 15, 30, tzinfo=UTC)
BOUNDARY = datetime(2026, 10, 3, tzinfo=UTC)
"""the beginning of the day on which the window of thirty days began"""


@pytest.fixture(autouse=True)
def today() -> Iterator[None]:
    metrics.metric_from("clicks", click_facts.facts)
    with clock.at(TODAY):
        yield


@pytest.fixture
def link(cast: Cast) -> Link:
    with db.transaction():
        return make_link(make_earner(cast.programme), "ana")


def came(link: Link, at: datetime, *, host: str = "", counted: bool = True, device: str = "desktop") -> bytes:
    whose = (link.unit_id, link.membership_id, link.id)
    key = new_click_id(int(at.timestamp() * 1000))
    return fields_of(ClickRecord(*whose, day_number(at), counted, device, "", "", host, "", key)).encode()


def store(*records: bytes) -> None:
    with db.transaction():
        clicks.store(records)


def today_too(work: Callable[[], int]) -> Callable[[], int]:
    """For threads, whose clock is the real one."""

    def done() -> int:
        with clock.at(TODAY):
            return work()

    return done


def moments() -> list[datetime]:
    with db.transaction(read_only=True) as session:
        return [each.occurred_at for each in session.exec(select(Click))]


def is_proven() -> bool:
    with db.transaction(read_only=True):
        return link_proof.differences() == [] and metrics.differences() == []


def test_a_click_stays_as_long_as_it_may_win_a_sale(link: Link) -> None:
    just_before = BOUNDARY - timedelta(milliseconds=1)
    store(came(link, just_before), came(link, BOUNDARY), came(link, TODAY))
    assert forget_clicks() == 1
    assert moments() == [BOUNDARY, TODAY]
    assert forget_clicks() == 0


def test_the_longest_window_of_any_programme_counts(cast: Cast, link: Link) -> None:
    with db.transaction() as session:
        session.get_one(Programme, cast.other_programme.id).attribution_days = 90
    store(came(link, TODAY - timedelta(days=89)), came(link, TODAY - timedelta(days=91)))
    assert forget_clicks() == 1
    assert moments() == [TODAY - timedelta(days=89)]


def test_what_was_counted_stays_and_is_proven(link: Link) -> None:
    old = BOUNDARY - timedelta(days=3)
    sent = [came(link, old, host="blog.example"), came(link, old, host="blog.example", device="mobile")]
    store(*sent, came(link, old), came(link, TODAY, host="blog.example"), came(link, old, counted=False))
    assert forget_clicks() == 4
    assert is_proven()
    with db.transaction(read_only=True):
        assert clicks.clicks_of_links([link.id]) == {link.id: 4}
        assert metrics.value_of("clicks", "2026", link.membership_id) == 4
        [day] = clicks_by_day(link.id, old.date(), old.date()).values()
        assert (day.clicks, day.handheld) == (3, 1)
        sources = sources_of(link.id, 4)
        assert (list(sources.hosts), sources.direct) == ([("blog.example", 3)], 1)


def test_a_sum_that_is_wrong_is_still_found_and_put_right(link: Link) -> None:
    store(came(link, BOUNDARY - timedelta(days=3), host="blog.example"), came(link, TODAY))
    forget_clicks()
    with db.transaction() as session:
        session.get_one(clicks.LinkTally, link.id).clicks = 9
        session.get_one(forgetting.ForgottenReferrer, (link.id, "blog.example")).clicks = 2
    with db.transaction(read_only=True):
        assert len(link_proof.differences()) == 2
    with db.transaction():
        assert link_proof.recount() == 2
    with db.transaction(read_only=True):
        assert clicks.clicks_of_links([link.id]) == {link.id: 2}


def test_what_comes_in_late_is_counted_and_goes_the_next_time(link: Link) -> None:
    old = BOUNDARY - timedelta(days=1)
    store(came(link, old, host="blog.example"))
    forget_clicks()
    store(came(link, old, host="blog.example"), came(link, old))
    assert is_proven()
    assert forget_clicks() == 2
    assert is_proven()
    with db.transaction(read_only=True):
        assert clicks.clicks_of_links([link.id]) == {link.id: 3}


def test_a_run_that_was_broken_off_leaves_the_books_proven(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "BATCH", 2)
    monkeypatch.setattr(forgetting, "MOST_BATCHES", 1)
    old = BOUNDARY - timedelta(days=1)
    store(*(came(link, old + timedelta(minutes=each), host="blog.example") for each in range(5)))
    left = []
    for _ in range(3):
        left.append(forget_clicks())
        assert is_proven()
    assert left == [2, 2, 1]


def test_a_clock_that_goes_back_brings_nothing_back_and_breaks_nothing(link: Link) -> None:
    store(came(link, BOUNDARY - timedelta(days=1)))
    forget_clicks()
    with clock.at(TODAY - timedelta(days=200)):
        assert forget_clicks() == 0
    assert is_proven()


def test_of_two_clocks_at_once_each_click_is_added_up_by_one(link: Link) -> None:
    old = BOUNDARY - timedelta(days=1)
    store(*(came(link, old + timedelta(seconds=each), host=f"{each % 7}.example") for each in range(200)))
    one, other = at_once(*[today_too(forget_clicks)] * 2)
    assert isinstance(one, int)
    assert isinstance(other, int)
    assert one + other == 200
    assert is_proven()
    with db.transaction(read_only=True) as session:
        gone = session.exec(select(forgetting.ForgottenReferrer)).all()
    assert sum(each.clicks for each in gone) == 200


def test_a_clock_that_is_ahead_for_a_moment_costs_two_days_of_the_oldest_clicks(link: Link) -> None:
    kept = [TODAY - timedelta(days=each) for each in (27, 26, 1)]
    store(
        came(link, TODAY - timedelta(days=28)),
        came(link, kept[0] - timedelta(minutes=1)),
        *(came(link, each) for each in kept),
    )
    with clock.at(TODAY + timedelta(days=3650)):
        assert forget_clicks() == 2 + 1
    assert moments() == kept[1:]
    store(came(link, TODAY))
    with db.transaction() as session:
        for each in session.exec(select(LinkDay)):
            each.clicks += 7
    with db.transaction(read_only=True):
        wrong = [each for each in link_proof.differences() if each.startswith("day")]
    assert len(wrong) == 3


def test_a_clock_that_is_ahead_where_nobody_clicked_moves_nothing(link: Link) -> None:
    with clock.at(TODAY + timedelta(days=3650)):
        assert forget_clicks() == 0
    store(came(link, TODAY - timedelta(days=1)))
    assert forget_clicks() == 0
    assert is_proven()


def test_ingest_recount_and_forgetting_at_once_leave_the_books_proven(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "BATCH", 50)
    old = BOUNDARY - timedelta(days=1)
    store(*(came(link, old + timedelta(seconds=each), host=f"{each % 7}.example") for each in range(300)))

    def ingest() -> int:
        for _ in range(10):
            store(*(came(link, when, host=f"{each}.example") for each in range(7) for when in (old, TODAY)))
        return 0

    def recount() -> int:
        wrong = 0
        for _ in range(8):
            with db.transaction():
                wrong += link_proof.recount()
            with db.transaction():
                wrong += metrics.recount()
        return wrong

    def forget() -> int:
        for _ in range(4):
            forget_clicks()
        return 0

    assert at_once(*map(today_too, (ingest, recount, forget, forget, ingest))) == [0, 0, 0, 0, 0]
    assert is_proven()
    forget_clicks()
    assert is_proven()
    assert all(each >= BOUNDARY for each in moments())
