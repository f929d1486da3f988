from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import select

from core import db
from core.access import COMMAND
from core.audit import AuditEntry
from core.clock import at, now
from core.errors import SpokesError
from hub.destinations import HostNotAllowed
from hub.programmes import change, get_programme
from referrals.links import link_dates
from referrals.links.link_changes import AlreadyStarted, LinkChanged, change_link, terms_of
from referrals.links.link_dates import EndsTooEarly, StartsTooEarly
from referrals.links.links import AlreadyEnded, CouponTaken, Link, end_link, open_link
from tests.at_once import at_once
from tests.factories import Cast
from tests.referrals.stories import Visitors, make_earner, make_link

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)  # the clocks go forward in the night


@pytest.fixture
def link(cast: Cast) -> Link:
    with db.transaction():
        return make_link(make_earner(cast.programme), "ana")


def changed(link: Link, **terms: Any) -> None:  # noqa: ANN401 - columns by name
    with db.transaction():
        here = db.session().get_one(Link, link.id)
        change_link(here, replace(terms_of(here), **terms), by=COMMAND, seen_version=here.version)


def test_a_changed_link_sends_visitors_elsewhere_at_once_and_is_audited(
    visitors: Visitors, link: Link
) -> None:
    assert "campaign=makers" in visitors.click("ana").header("Location")
    changed(link, destination="https://shop.example/new?a=1", campaign="spring")
    visitors.path.links.refresh()
    where = visitors.click("ana").header("Location")
    assert where.startswith("https://shop.example/new?a=1&utm_source=advocate")
    assert "utm_campaign=spring" in where
    with db.transaction(read_only=True):
        entry = db.session().exec(select(AuditEntry).where(AuditEntry.action == "link.changed")).one()
        assert entry.details == {
            "destination": ["https://shop.example/", "https://shop.example/new?a=1"],
            "campaign": ["", "spring"],
        }


def test_another_utm_template_reaches_the_click_path(cast: Cast, visitors: Visitors, link: Link) -> None:
    visitors.click("ana")
    with db.transaction():
        programme = get_programme(cast.programme.id)
        change(programme, {"utm_template": {"source": "{unit}", "content": "{code}"}}, by=COMMAND)
    visitors.path.links.refresh()
    where = visitors.click("ana").header("Location")
    assert where.startswith("https://shop.example/?utm_source=north&utm_content=ana&spk=")


def test_a_link_runs_from_its_first_moment_to_its_end(cast: Cast, visitors: Visitors) -> None:
    begin = now() + timedelta(days=1)
    with db.transaction():
        member = make_earner(cast.programme)
        make_link(member, "later", starts_at=begin, ends_at=begin + timedelta(days=1))
    answers = []
    for hours in (-1, 1, 25):
        with at(begin + timedelta(hours=hours)):
            answers.append(visitors.click("later").status)
    assert answers == [404, 302, 404]


@pytest.mark.parametrize(
    ("terms", "refusal"),
    [
        ({"destination": "https://evil.example/"}, HostNotAllowed),
        ({"ends_at": datetime(2020, 1, 1, tzinfo=UTC)}, EndsTooEarly),
        ({"ends_at": datetime(9999, 12, 31, tzinfo=UTC)}, EndsTooEarly),
        ({"starts_at": datetime(2099, 1, 1, tzinfo=UTC)}, AlreadyStarted),
        ({"coupon": "TAKEN5"}, CouponTaken),
    ],
)
def test_what_a_link_cannot_become(
    cast: Cast, link: Link, terms: dict[str, Any], refusal: type[SpokesError]
) -> None:
    with db.transaction():
        make_link(make_earner(cast.programme, "Bea Other"), "bea", coupon="TAKEN5")
    with pytest.raises(refusal):
        changed(link, **terms)


def test_a_link_whose_host_left_the_list_can_still_get_an_end(cast: Cast, link: Link) -> None:
    with db.transaction():
        new = {"allowed_hosts": ["new.example"], "home_url": "https://new.example/"}
        change(get_programme(cast.programme.id), new, by=COMMAND)
    changed(link, ends_at=now() + timedelta(days=3))


def test_an_ended_link_changes_no_more(link: Link) -> None:
    with db.transaction():
        end_link(db.session().get_one(Link, link.id), by=COMMAND)
    with pytest.raises(AlreadyEnded):
        changed(link, ends_at=None)


def test_of_two_who_saw_the_same_link_the_second_is_told(link: Link) -> None:
    def change_it(campaign: str) -> None:
        with db.transaction():
            here = db.session().get_one(Link, link.id)
            wanted = replace(terms_of(here), campaign=campaign)
            change_link(here, wanted, by=COMMAND, seen_version=link.version)

    told = at_once(lambda: change_it("one"), lambda: change_it("two"))
    assert sorted(type(each).__name__ for each in told) == ["LinkChanged", "NoneType"]
    with pytest.raises(LinkChanged):
        change_it("three")


def test_a_link_that_would_end_before_it_starts_is_not_opened(cast: Cast) -> None:
    with db.transaction():
        member = make_earner(cast.programme)
        with pytest.raises(EndsTooEarly):
            open_link(
                member, by=COMMAND, starts_at=now() + timedelta(days=2), ends_at=now() + timedelta(days=1)
            )


def test_days_are_the_programmes_and_the_last_one_counts_in_full() -> None:
    with at(NOON):
        end = link_dates.end_after(date(2026, 3, 29), BERLIN)
        assert end == datetime(2026, 3, 29, 22, tzinfo=UTC)  # a day of 23 hours
        assert link_dates.last_day(end, BERLIN) == date(2026, 3, 29)
        assert link_dates.first_moment(date(2026, 3, 29), BERLIN) == datetime(2026, 3, 28, 23, tzinfo=UTC)
        assert (
            link_dates.first_moment(None, BERLIN)
            == link_dates.first_moment(date(2026, 3, 28), BERLIN)
            == NOON
        )


@pytest.mark.parametrize("day", [date(2026, 3, 27), date(2032, 1, 1), date(1, 1, 1), date(9999, 12, 31)])
def test_days_behind_us_and_far_ahead_are_refused(day: date) -> None:
    with at(NOON):
        with pytest.raises(StartsTooEarly):
            link_dates.first_moment(day, BERLIN)
        with pytest.raises(EndsTooEarly):
            link_dates.end_after(day, BERLIN)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Europe/Berlin", "Pacific/Honolulu"])
@pytest.mark.parametrize("hour", [0, 11, 23])
def test_the_last_of_the_days_that_people_may_choose_may_be_told_as_a_moment(zone: str, hour: int) -> None:
    with at(NOON.replace(hour=hour)):
        last = now().astimezone(ZoneInfo(zone)).date() + link_dates.LONGEST
        starts_at = link_dates.first_moment(last, ZoneInfo(zone))
        link_dates.require_dates(starts_at, link_dates.end_after(last, ZoneInfo(zone)))
        with pytest.raises(EndsTooEarly):
            link_dates.require_dates(now(), starts_at + timedelta(days=3))
        with pytest.raises(StartsTooEarly):
            link_dates.require_dates(now() - timedelta(minutes=6), None)


def test_a_link_that_was_told_to_run_for_ever_can_still_be_changed(link: Link) -> None:
    with db.transaction():
        db.session().get_one(Link, link.id).ends_at = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    changed(link, campaign="spring")
    changed(link, ends_at=now() + timedelta(days=3))
