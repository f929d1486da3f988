from datetime import UTC, datetime

import pytest
from flask import Flask

from advocates.membership import get_membership
from core import db
from core.clock import day_number
from core.people import get_person
from core.settings import Settings
from referrals.clicks import link_proof
from referrals.clicks.clicks import ingest, store
from referrals.clicks.journal_lines import ClickRecord, by_referrer, fields_of
from referrals.clicks.link_referrers import MOST_SHOWN, LinkReferrer, Sources, sources_of
from referrals.links.links import Link
from tests.factories import Cast, sign_in
from tests.referrals.stories import Visitors, make_earner, make_link

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.fixture
def link(cast: Cast) -> Link:
    with db.transaction():
        return make_link(make_earner(cast.programme), "ana")


def came(link: Link, number: int, host: str, *, counted: bool = True) -> bytes:
    whose = (link.unit_id, link.membership_id, link.id)
    record = ClickRecord(*whose, day_number(NOON), counted, "desktop", "", "", host, "de", f"{number:026d}")
    return fields_of(record).encode()


def sources(link: Link, clicks: int) -> Sources:
    with db.transaction(read_only=True):
        assert link_proof.differences() == []
        return sources_of(link.id, clicks)


def test_clicks_are_added_to_the_host_that_sent_them_and_the_rest_is_direct(link: Link) -> None:
    with db.transaction():
        store([came(link, 1, "news.example"), came(link, 2, "news.example"), came(link, 3, "")])
    with db.transaction():
        store([came(link, 4, "blog.example"), came(link, 5, "news.example", counted=False)])
    assert sources(link, 4) == Sources([("news.example", 2), ("blog.example", 1)], 0, 1)


def test_the_hosts_that_sent_most_are_named_and_the_others_summed(link: Link) -> None:
    hosts = [f"h{place:02d}.example" for place in range(MOST_SHOWN + 3)]
    with db.transaction():
        store([came(link, place, host) for place, host in enumerate([*hosts, hosts[-1]])])
    found = sources(link, len(hosts) + 1)
    assert found.hosts[0] == (hosts[-1], 2)
    assert (len(found.hosts), found.others, found.direct) == (MOST_SHOWN, 3, 0)


def test_a_segment_that_is_read_again_adds_nothing_to_its_hosts(link: Link) -> None:
    for _ in range(2):
        with db.transaction():
            store([came(link, 1, "news.example"), came(link, 2, "")])
    assert sources(link, 2) == Sources([("news.example", 1)], 0, 1)


def test_a_click_through_the_click_path_is_known_by_its_host(
    visitors: Visitors, link: Link, settings: Settings
) -> None:
    visitors.click("ana", HTTP_REFERER="https://News.example/a?b=c")
    visitors.click("ana")
    ingest()
    assert sources(link, 2) == Sources([("news.example", 1)], 0, 1)


def test_what_is_counted_stands_where_the_sums_look_for_it(link: Link) -> None:
    seen = [came(link, 1, "news.example"), came(link, 2, "news.example", counted=False), came(link, 3, "")]
    assert by_referrer(seen) == {(link.id, "news.example"): 1}


def test_the_proof_finds_a_host_that_lies(link: Link) -> None:
    with db.transaction():
        store([came(link, 1, "news.example")])
    with db.transaction():
        db.session().get_one(LinkReferrer, (link.id, "news.example")).clicks = 7
    with db.transaction(read_only=True):
        [wrong] = link_proof.differences()
    assert wrong.startswith("referrer of link")
    assert "the clicks say 1, it has 7" in wrong


def test_owner_and_staff_read_the_hosts_and_nobody_else_does(app: Flask, cast: Cast, link: Link) -> None:
    with db.transaction():
        store([came(link, 1, "news.example"), came(link, 2, "")])
    with db.transaction(read_only=True):
        owner = get_person(get_membership(link.membership_id).person_id)
    seen = {
        person.name: (answer.status_code, "news.example" in answer.text, "Direct" in answer.text)
        for person, face in (
            (owner, "portal"),
            (cast.manager, "console"),
            (cast.other_manager, "console"),
            (cast.stranger, "console"),
        )
        for answer in [sign_in(app.test_client(), person).get(f"/{face}/links/{link.id}")]
    }
    assert seen == {
        owner.name: (200, True, True),
        cast.manager.name: (200, True, True),
        "Otto South": (404, False, False),
        "Stran Ger": (403, False, False),
    }
