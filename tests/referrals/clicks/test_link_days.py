from datetime import UTC, datetime, timedelta

import pytest

from core import db
from core.clock import day_number, now
from core.settings import Settings
from referrals.clicks import link_proof
from referrals.clicks.clicks import LinkTally, ingest, store
from referrals.clicks.journal_lines import ClickRecord, fields_of
from referrals.clicks.link_days import LinkDay, clicks_by_day
from referrals.links.links import Link
from tests.factories import Cast
from tests.referrals.stories import Visitors, make_earner, make_link

PHONE = "Mozilla/5.0 (Linux; Android 16; Pixel 10) AppleWebKit/537.36 Chrome/142.0 Mobile Safari/537.36"
MIDNIGHT = datetime(2026, 11, 2, tzinfo=UTC)


@pytest.fixture
def link(cast: Cast) -> Link:
    with db.transaction():
        return make_link(make_earner(cast.programme), "ana")


def came(link: Link, number: int, at: datetime, *, device: str = "", counted: bool = True) -> bytes:
    whose = (link.unit_id, link.membership_id, link.id)
    record = ClickRecord(*whose, day_number(at), counted, device, "", "", "", "", f"{number:026d}")
    return fields_of(record).encode()


def days_of(link: Link) -> dict[int, tuple[int, int]]:
    with db.transaction(read_only=True):
        assert link_proof.differences() == []
        found = clicks_by_day(link.id, MIDNIGHT.date() - timedelta(days=9), MIDNIGHT.date())
        return {day: (row.clicks, row.handheld) for day, row in found.items()}


def test_clicks_are_added_to_their_utc_day_and_phones_among_them(link: Link) -> None:
    just_before = MIDNIGHT - timedelta(milliseconds=1)
    with db.transaction():
        store([came(link, 1, just_before, device="mobile"), came(link, 2, MIDNIGHT, device="desktop")])
        store(
            [came(link, 3, MIDNIGHT, device="tablet"), came(link, 4, MIDNIGHT, device="bot", counted=False)]
        )
    assert days_of(link) == {20261101: (1, 1), 20261102: (2, 1)}


def test_a_segment_that_is_read_again_adds_nothing_to_its_days(link: Link) -> None:
    for _ in range(2):
        with db.transaction():
            store([came(link, 1, MIDNIGHT), came(link, 2, MIDNIGHT)])
    assert days_of(link) == {20261102: (2, 0)}


def test_a_click_through_the_click_path_is_in_its_day(
    visitors: Visitors, link: Link, settings: Settings
) -> None:
    visitors.click("ana", agent=PHONE)
    ingest()
    with db.transaction(read_only=True):
        row = db.session().get(LinkDay, (link.id, day_number(now())))
        assert row is not None
        assert (row.clicks, row.handheld) == (1, 1)


def test_the_proof_finds_a_day_and_a_tally_that_lie(link: Link) -> None:
    with db.transaction():
        store([came(link, 1, MIDNIGHT)])
    with db.transaction():
        row = db.session().get_one(LinkDay, (link.id, 20261102))
        row.clicks = 7
    with db.transaction(read_only=True):
        wrong = link_proof.differences()
    assert len(wrong) == 1
    assert "the clicks say (1, 0), it has (7, 0)" in wrong[0]


def test_counted_again_links_have_what_their_clicks_sum_to(link: Link) -> None:
    with db.transaction():
        store([came(link, 1, MIDNIGHT, device="mobile"), came(link, 2, MIDNIGHT, device="desktop")])
        row = db.session().get_one(LinkDay, (link.id, 20261102))
        row.clicks, row.handheld = 7, 0
        db.session().delete(db.session().get_one(LinkTally, link.id))
    with db.transaction():
        assert link_proof.recount() == 2
    with db.transaction():
        assert link_proof.recount() == 0
    assert days_of(link) == {20261102: (2, 1)}
