"""The coupon of a link that has ended: taken off, or given to another link; what it sold while it ran stays its own."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlmodel import col, select

from advocates.membership import Membership
from core import db
from core.access import COMMAND
from core.audit import AuditEntry
from core.clock import at, now
from hub.programmes import Programme
from referrals.links.former_coupons import holder
from referrals.links.link_changes import change_link, terms_of
from referrals.links.link_import import dry_run, import_links
from referrals.links.link_input import WantedLink
from referrals.links.link_requests import open_once
from referrals.links.links import AlreadyEnded, CouponTaken, Link, end_link, find_coupon, get_link
from tests.at_once import at_once
from tests.factories import Cast, sign_in
from tests.referrals.stories import make_earner, make_link

HOUR = timedelta(hours=1)


@pytest.fixture
def ana(cast: Cast) -> Membership:
    """She has a link, "ana"."""
    with db.transaction():
        member = make_earner(cast.programme)
        make_link(member, "ana")
        return member


def ended(programme: Programme) -> Link:
    with db.transaction():
        link = make_link(make_earner(programme, "Bo Other"), "bob", coupon="SPRING")
        with at(now() + HOUR):
            end_link(link, by=COMMAND)
        return link


def give(code: str, **terms: Any) -> None:  # noqa: ANN401 - columns by name
    with db.transaction():
        link = get_link(code)
        change_link(link, replace(terms_of(link), **terms), by=COMMAND, seen_version=link.version)


def coupons() -> dict[str, str | None]:
    with db.transaction(read_only=True):
        return {each.code: each.coupon for each in db.session().exec(select(Link)) if each.coupon}


def test_it_is_taken_off_and_nothing_else_of_the_link_changes(cast: Cast, ana: Membership) -> None:
    ended(cast.programme)
    with at(now() + 2 * HOUR):
        for terms in ({"coupon": "OTHER"}, {"campaign": "x"}, {"coupon": None, "campaign": "x"}):
            with pytest.raises(AlreadyEnded):
                give("bob", **terms)
        give("bob", coupon=None)
        assert coupons() == {}
        give("ana", coupon="SPRING")
    assert coupons() == {"ana": "SPRING"}


def test_it_is_given_to_another_link_and_what_was_sold_before_the_end_stays(
    cast: Cast, ana: Membership
) -> None:
    start = now()
    ended(cast.programme)
    with at(start + 3 * HOUR):
        give("ana", coupon="spring")
    with db.transaction(read_only=True):
        had = [getattr(holder("SPRING", start + each * HOUR / 2), "code", None) for each in (1, 3, 7)]
        assert had == ["bob", "ana", "ana"]  # after the end nobody had it, until Ana did
        changes = (
            select(AuditEntry.details)
            .where(AuditEntry.action == "link.changed")
            .order_by(col(AuditEntry.seq))
        )
        assert db.session().exec(changes).all() == [
            {"coupon": ["SPRING", None]},
            {"coupon": [None, "SPRING"]},
        ]


def test_one_that_runs_keeps_it_and_so_does_one_of_another_programme(cast: Cast, ana: Membership) -> None:
    ended(cast.other_programme)
    with at(now() + 2 * HOUR), pytest.raises(CouponTaken):
        give("ana", coupon="SPRING")
    with db.transaction():
        make_link(make_earner(cast.programme, "Cleo Third"), "cleo", coupon="RUNS")
    with pytest.raises(CouponTaken):
        give("ana", coupon="RUNS")
    assert coupons() == {"bob": "SPRING", "cleo": "RUNS"}


def test_of_two_who_want_it_at_once_one_gets_it(cast: Cast, ana: Membership) -> None:
    ended(cast.programme)
    soon = now() + 2 * HOUR

    def open_with_it() -> str:
        wanted = WantedLink(advocate_id=ana.id, coupon="spring")
        with at(soon), db.transaction():
            link, _new = open_once(wanted, ana, by=COMMAND, unit_id=cast.north.id, idempotency_key=None)
            time.sleep(0.3)
            return link.code

    told = at_once(open_with_it, open_with_it)
    assert sorted(type(each).__name__ for each in told) == ["CouponTaken", "str"]


def test_machines_move_it(cast: Cast, ana: Membership, machine: Callable[..., FlaskClient]) -> None:
    ended(cast.programme)
    crm = machine(cast.north, "links:write")
    with at(now() + 2 * HOUR):
        opened = crm.post("/api/v1/links", json={"advocate_id": ana.id, "code": "next", "coupon": "spring"})
        assert (opened.status_code, coupons()) == (201, {"next": "SPRING"})
        assert crm.post("/api/v1/links/next/end").status_code == 200
    with at(now() + 3 * HOUR):
        assert crm.patch("/api/v1/links/next", json={"coupon": None}).status_code == 200
        assert crm.patch("/api/v1/links/next", json={"campaign": "x"}).status_code == 409
    assert coupons() == {}


def test_a_file_moves_it_and_its_report_says_from_where(cast: Cast, ana: Membership) -> None:
    ended(cast.programme)
    table = f"code,advocate,coupon\nnext,{ana.number},spring\n"
    with at(now() + 2 * HOUR):
        with db.transaction(read_only=True):
            report = dry_run(cast.programme, table)
        assert report.rows[0].sentence.endswith(" Its coupon is taken from bob, which has ended.")
        with db.transaction():
            import_links(cast.programme, table, digest=report.digest, by=COMMAND)
            link = find_coupon("SPRING")
            assert link is not None
            assert link.code == "next"


def test_staff_take_it_off_on_the_links_page(cast: Cast, ana: Membership, client: FlaskClient) -> None:
    link = ended(cast.programme)
    with at(now() + 2 * HOUR):
        for person, answer in ((cast.stranger, 403), (cast.other_manager, 404), (cast.marketing, 403)):
            sign_in(client, person)
            assert client.post(f"/console/links/{link.id}/coupon/take-off").status_code == answer
            client.post("/logout")
        assert coupons() == {"bob": "SPRING"}
        sign_in(client, cast.manager)
        page = f"/console/links/{link.id}"
        assert f"{page}/coupon/take-off" in client.get(page).text
        assert client.post(f"{page}/coupon/take-off").status_code == 303
        assert coupons() == {}
        assert f"{page}/coupon/take-off" not in client.get(page).text
