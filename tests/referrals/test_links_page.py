"""What people see of links: the portal's page of each, the console's list, page, campaign, import and share kit."""

import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlmodel import select

from advocates import tiers
from advocates.membership import get_membership
from core import db
from core.access import COMMAND
from core.audit import AuditEntry
from core.clock import now
from core.people import Person, get_person
from hub.programmes import get_programme
from referrals.links import kit, tier_campaigns
from referrals.links.links import Link, find_link, links_of
from tests.factories import Cast, sign_in
from tests.referrals.stories import bring, make_earner, make_link

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def link(cast: Cast) -> Link:
    with db.transaction():
        return make_link(make_earner(cast.programme), "ana", coupon="ANA10")


def owner(link: Link) -> Person:
    with db.transaction(read_only=True):
        return get_person(get_membership(link.membership_id).person_id)


def found(code: str) -> Link:
    with db.transaction(read_only=True):
        link = find_link(code)
        assert link is not None
        return link


def hidden(page: str, name: str) -> str:
    value = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert value is not None, f"no hidden {name}"
    return value[1]


def test_an_advocate_sees_what_a_link_brought_by_day_and_its_pictures(
    cast: Cast, client: FlaskClient, link: Link
) -> None:
    with db.transaction():
        bring(cast.north.id, code="ana")
    sign_in(client, owner(link))
    page = client.get(f"/portal/links/{link.id}?days=90")
    assert page.status_code == 200
    assert re.search(r"€\s?129\.00", page.text)
    assert "Days are those of UTC" in page.text
    assert client.get(f"/portal/links/{link.id}?days=7").status_code == 422
    svg, png = (client.get(f"/portal/links/{link.id}/qr.{kind}") for kind in ("svg", "png"))
    assert (svg.mimetype, svg.data[:5]) == ("image/svg+xml", b"<?xml")
    assert b'fill="#fff"' in svg.data  # readable on a dark page
    assert (png.mimetype, png.data[:8]) == ("image/png", PNG)


def test_an_advocate_changes_a_link_and_gives_it_no_coupon(client: FlaskClient, link: Link) -> None:
    sign_in(client, owner(link))
    last = (now() + timedelta(days=9)).date().isoformat()
    wanted = {"version": link.version, "destination": "https://shop.example/new", "campaign": "fair"}
    at = f"/portal/links/{link.id}"
    assert client.post(at, data={**wanted, "coupon": "MINE"}).status_code == 422
    evil = client.post(at, data={**wanted, "destination": "https://evil.example/"})
    assert evil.status_code == 422
    assert "do not lead to that host" in evil.text
    assert client.post(at, data={**wanted, "last_day": "2020-01-01"}).status_code == 422
    assert client.post(at, data={**wanted, "last_day": last}).status_code == 303
    assert client.post(at, data=wanted).status_code == 409  # seen before the last change
    changed = found("ana")
    assert (changed.destination, changed.campaign, changed.coupon) == (
        "https://shop.example/new",
        "fair",
        "ANA10",
    )
    assert changed.ends_at is not None


def test_a_link_can_wait_for_its_first_day(client: FlaskClient, link: Link) -> None:
    sign_in(client, owner(link))
    first, last = ((now() + timedelta(days=days)).date().isoformat() for days in (3, 5))
    refused = client.post("/portal/links", data={"code": "later", "first_day": last, "last_day": first})
    assert refused.status_code == 422
    assert (
        client.post("/portal/links", data={"code": "later", "first_day": first, "last_day": last}).status_code
        == 303
    )
    made = found("later")
    assert 'class="state wait">from' in client.get("/portal/links").text
    form = {"version": made.version, "destination": made.destination, "first_day": last, "last_day": last}
    assert client.post(f"/portal/links/{made.id}", data=form).status_code == 303
    assert found("later").starts_at > made.starts_at


def test_words_carry_the_link_and_begin_with_the_disclosure(
    cast: Cast, client: FlaskClient, link: Link
) -> None:
    with db.transaction():
        kit.add_words(cast.programme, "x", "Ad: {company}, my way: {address}", by=COMMAND)
        kit.add_asset(cast.programme, "A film", "https://shop.example/film", by=COMMAND)
    sign_in(client, owner(link))
    page = client.get(f"/portal/links/{link.id}/share").text
    assert "Ad: Makers, my way: http://127.0.0.1:8000/r/ana" in page
    assert "https://x.com/intent/post?text=Ad%3A%20Makers%2C%20my%20way" in page
    assert "https://wa.me/?text=I%E2%80%99m%20rewarded" in page
    assert 'href="https://shop.example/film"' in page
    assert "style=" not in page
    assert "onclick" not in page


def test_a_link_is_its_owners_alone(cast: Cast, client: FlaskClient, link: Link) -> None:
    at = f"/portal/links/{link.id}"
    pages = [at, f"{at}/share", f"{at}/qr.svg", f"{at}/qr.png"]
    assert {client.get(each).status_code for each in pages} == {302}
    with db.transaction():
        bea = make_link(make_earner(cast.programme, "Bea Other"), "bea")
    sign_in(client, owner(bea))
    assert {client.get(each).status_code for each in pages} == {404}
    form = {"version": link.version, "destination": link.destination}
    assert client.post(at, data=form).status_code == 404
    client.post("/logout")
    sign_in(client, cast.stranger)
    assert {client.get(each).status_code for each in pages} == {403}


def test_staff_give_a_link_a_coupon(cast: Cast, client: FlaskClient, link: Link) -> None:
    sign_in(client, cast.manager)
    page = client.get(f"/console/links/{link.id}")
    assert "Ana Advocate" in page.text
    form = {"version": hidden(page.text, "version"), "destination": link.destination, "coupon": "ana-20"}
    assert client.post(f"/console/links/{link.id}", data={**form, "coupon": "no coupon"}).status_code == 422
    assert client.post(f"/console/links/{link.id}", data=form).status_code == 303
    assert found("ana").coupon == "ANA-20"
    assert client.get(f"/console/links/{link.id}/qr.png").data[:8] == PNG
    assert client.get(f"/console/links/{link.id}/qr.svg").status_code == 200


def test_the_list_as_a_file_holds_what_is_asked_for_and_is_on_record(
    cast: Cast, client: FlaskClient, link: Link
) -> None:
    sign_in(client, cast.manager)
    answer = client.get("/console/links.csv?q=ANA10")
    assert answer.mimetype == "text/csv"
    rows = answer.text.lstrip("\ufeff").splitlines()
    assert len(rows) == 2
    assert rows[0].startswith("code,advocate,destination,campaign,coupon,starts,ends,")
    assert rows[1].startswith("ana,")
    with db.transaction(read_only=True):
        entry = db.session().exec(select(AuditEntry).where(AuditEntry.action == "links.exported")).one()
        assert entry.details == {"rows": 1, "asked": {"q": "ANA10"}}


def test_a_campaign_is_seen_and_then_done_once(cast: Cast, client: FlaskClient, link: Link) -> None:
    sign_in(client, cast.manager)
    wanted = {
        "programme_id": cast.programme.id,
        "campaign": "spring",
        "destination": "https://shop.example/s",
    }
    seen = client.post("/console/links/campaign", data=wanted)
    assert "Ana Advocate" in seen.text
    assert "One link is opened" in seen.text
    confirmed = {**wanted, "confirm": hidden(seen.text, "confirm")}
    assert client.post("/console/links/campaign", data=confirmed).status_code == 303
    again = client.post("/console/links/campaign", data=confirmed)
    assert again.status_code == 409
    assert "something changed" in again.text
    assert "Nobody gets a link" in client.post("/console/links/campaign", data=wanted).text
    with db.transaction(read_only=True):
        assert [each.campaign for each in links_of(link.membership_id)].count("spring") == 1
    evil = client.post("/console/links/campaign", data={**wanted, "destination": "https://evil.example/"})
    assert (evil.status_code, "do not lead to that host" in evil.text) == (422, True)


def test_a_file_is_imported_as_it_was_shown(cast: Cast, client: FlaskClient, link: Link) -> None:
    sign_in(client, cast.manager)
    table = "code;advocate;campaign\r\nspring;ana.advocate@example.org;Fair\r\n"
    wanted = {"programme_id": cast.programme.id}
    file = (io.BytesIO(b"\xef\xbb\xbf" + table.encode()), "links.csv")
    seen = client.post("/console/links/import", data={**wanted, "file": file})
    assert "Opens spring for Ana Advocate" in seen.text
    shown = {**wanted, "content": hidden(seen.text, "content")}
    report = client.post("/console/links/import", data={**shown, "as_file": "true"})
    assert report.mimetype == "text/csv"
    assert "2,opens," in report.text
    with db.transaction(read_only=True):
        assert find_link("spring") is None
    confirmed = {**shown, "confirm": hidden(seen.text, "confirm")}
    assert client.post("/console/links/import", data=confirmed).status_code == 303
    assert found("spring").campaign == "Fair"
    again = client.post("/console/links/import", data=confirmed)
    assert (again.status_code, "something changed" in again.text) == (409, True)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (b"", "Choose a file, or paste the table."),
        ("advocate\nJürgen".encode("latin-1"), "not UTF-8"),
        (b"name\nx", "has to name the columns"),
        (b"advocate\n" + b"x" * 300_000, "2,000 rows or 300 kB"),
    ],
)
def test_a_file_that_is_no_table_comes_back_with_a_sentence(
    cast: Cast, client: FlaskClient, table: bytes, says: str
) -> None:
    sign_in(client, cast.manager)
    form = {"programme_id": cast.programme.id, "file": (io.BytesIO(table), "links.csv")}
    answer = client.post("/console/links/import", data=form)
    assert answer.status_code == 422
    assert says in answer.text


def test_managers_say_what_links_carry_and_advocates_share(cast: Cast, client: FlaskClient) -> None:
    sign_in(client, cast.manager)
    at = f"/console/settings/programmes/{cast.programme.id}/sharing"
    assert at in client.get(f"/console/settings/programmes/{cast.programme.id}").text
    assert client.post(at, data={"source": "{who}"}).status_code == 422
    assert client.post(at, data={"source": "{unit}", "term": "{code}"}).status_code == 303
    assert "utm_source=north&amp;utm_term=ana-7k3mq&amp;spk=…" in client.get(at).text
    refused = client.post(f"{at}/words", data={"channel": "x", "text": "See {address} #ad"})
    assert (refused.status_code, "has to come first" in refused.text) == (422, True)
    assert client.post(f"{at}/words", data={"channel": "x", "text": "#ad See {address}"}).status_code == 303
    assert (
        client.post(f"{at}/assets", data={"title": "F", "address": "https://evil.example/"}).status_code
        == 422
    )
    assert (
        client.post(f"{at}/assets", data={"title": "F", "address": "https://shop.example/f"}).status_code
        == 303
    )
    page = client.get(at).text
    assert "#ad See {address}" in page
    for _ in range(2):
        page = client.get(at).text
        assert client.post(f"{at}/take-away", data={"row_id": hidden(page, "row_id")}).status_code == 303
    assert client.post(f"{at}/take-away", data={"row_id": "nothing"}).status_code == 404
    with db.transaction(read_only=True):
        assert get_programme(cast.programme.id).utm_template == {"source": "{unit}", "term": "{code}"}


def test_what_others_get_of_the_consoles_pages(cast: Cast, client: FlaskClient, link: Link) -> None:
    """A stranger 403 everywhere; another unit's manager 404; marketing looks and changes nothing."""
    sharing = f"/console/settings/programmes/{cast.programme.id}/sharing"
    theirs = [
        f"/console/links/{link.id}",
        f"/console/links/{link.id}/qr.svg",
        f"/console/links/{link.id}/qr.png",
        sharing,
    ]
    manage = ["/console/links/campaign", "/console/links/import", f"{sharing}/words", f"{sharing}/assets"]
    posts = {
        f"/console/links/{link.id}": {"version": 1, "destination": link.destination},
        "/console/links/campaign": {
            "programme_id": cast.programme.id,
            "campaign": "x",
            "destination": "https://shop.example/",
        },
        "/console/links/import": {"programme_id": cast.programme.id, "content": "advocate\n1"},
        sharing: {"source": "x"},
        f"{sharing}/words": {"channel": "x", "text": "#ad {address}"},
        f"{sharing}/assets": {"title": "x", "address": "https://shop.example/"},
        f"{sharing}/take-away": {"row_id": "x"},
    }
    for person, look, write in (
        (cast.stranger, {403}, {403}),
        (cast.other_manager, {404}, {404}),
        (cast.marketing, {200}, {403}),
    ):
        sign_in(client, person)
        assert {client.get(each).status_code for each in theirs} == look, person.name
        assert {client.post(at, data=form).status_code for at, form in posts.items()} == write, person.name
        if person is not cast.other_manager:
            assert {client.get(each).status_code for each in manage} == {403}, person.name
        client.post("/logout")
    sign_in(client, cast.other_manager)
    assert {client.get(each).status_code for each in manage[2:]} == {404}
    assert "ana" not in client.get("/console/links.csv").text


def test_dates_at_the_end_of_time_that_were_told_before_break_no_page(
    cast: Cast, app: Flask, link: Link
) -> None:
    """They are beyond what the clocks east of Greenwich can show."""
    end = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    with db.transaction():
        get_programme(cast.programme.id).time_zone = "Europe/Berlin"
        get_person(get_membership(link.membership_id).person_id).time_zone = "Europe/Berlin"
        get_person(cast.manager.id).time_zone = "Europe/Berlin"
        db.session().get_one(Link, link.id).ends_at = end
        make_link(get_membership(link.membership_id), "later").starts_at = end
    advocate, staff = sign_in(app.test_client(), owner(link)), sign_in(app.test_client(), cast.manager)
    for each in (link, found("later")):
        assert advocate.get(f"/portal/links/{each.id}").status_code == 200
        assert staff.get(f"/console/links/{each.id}").status_code == 200
    assert "31 Dec 9999" in advocate.get("/portal/links").text
    assert "31 Dec 9999" in staff.get("/console/links").text
    assert staff.get("/console/links.csv").status_code == 200
    assert staff.get(f"/console/advocates/{link.membership_id}").status_code == 200


def test_a_campaign_that_was_for_a_tier_says_when_it_will_be_for_everybody(
    cast: Cast, client: FlaskClient, link: Link
) -> None:
    with db.transaction():
        programme = get_programme(cast.programme.id)
        tier_campaigns.keep(programme.id, "spring", tiers.define(programme, "Gold", 1, 1_000, by=COMMAND))
    wanted = {
        "programme_id": cast.programme.id,
        "campaign": "Spring",
        "destination": "https://shop.example/spring",
    }
    seen = sign_in(client, cast.manager).post("/console/links/campaign", data=wanted)
    assert "for the tier Gold and those above it. Opened like this it is for everybody." in seen.text
