"""The part of an advocate's page that asks for itself again."""

import re

from flask.testing import FlaskClient

from core import db
from core.people import get_person
from tests.factories import Cast, sign_in
from tests.referrals.stories import bring, give_back, make_earner, make_link

ASKING = {"HX-Request": "true"}


def test_an_open_page_asks_and_is_told_only_what_is_new(cast: Cast, client: FlaskClient) -> None:
    with db.transaction():
        ana = make_earner(cast.programme)
        make_link(ana, "ana")
        person = get_person(ana.person_id)
    sign_in(client, person)
    asks = address_in(client.get("/portal/links").text)
    assert client.get(asks, headers=ASKING).status_code == 204
    with db.transaction():
        bring(cast.north.id, code="ana", external_id="A-1")
    told = client.get(asks, headers=ASKING)
    assert (told.status_code, "won: code ana" in told.text, "<html" in told.text) == (200, True, False)
    asks = address_in(told.text)
    assert client.get(asks, headers=ASKING).status_code == 204
    with db.transaction():
        give_back(cast.north.id, "A-1", 100)
    assert "partly given back" in client.get(asks, headers=ASKING).text


def test_older_ones_are_on_further_pages_that_do_not_ask_and_each_is_there_once(
    cast: Cast, client: FlaskClient
) -> None:
    with db.transaction():
        ana, bo = make_earner(cast.programme), make_earner(cast.programme, "Bo Advocate")
        make_link(ana, "ana", coupon="ANA10")
        make_link(bo, "bob")
        told = [bring(cast.north.id, code="bob" if each % 2 else "ana", coupon="ANA10") for each in range(45)]
        bring(cast.north.id, code="bob")
        person = get_person(ana.person_id)
    sign_in(client, person)
    address, seen = "/portal/links", []
    for shown in (20, 20, 5):
        page = client.get(address).text
        seen += re.findall(r'href="/portal/conversions/(\w+)"', page)
        assert (len(seen) % 20 or 20, "hx-get" in page) == (shown, address == "/portal/links")
        assert ('href="/portal/links#conversions"' in page) == (address != "/portal/links")
        further = re.findall(r'rel="next" href="([^"#]+)#conversions"', page)
        address = further[0] if further else ""
    assert (seen, address) == ([each.id for each in reversed(told)], "")
    assert client.get("/portal/links?after=nonsense").status_code == 400
    assert 'rel="next"' in client.get("/portal/links/conversions", headers=ASKING).text


def test_people_who_open_the_part_get_the_whole_page_and_strangers_nothing(
    cast: Cast, client: FlaskClient
) -> None:
    assert client.get("/portal/links/conversions").headers["Location"].startswith("/login")
    sign_in(client, cast.stranger)
    assert client.get("/portal/links/conversions", headers=ASKING).status_code == 403
    client.post("/logout")
    with db.transaction():
        person = get_person(make_earner(cast.programme).person_id)
    sign_in(client, person)
    assert client.get("/portal/links/conversions").headers["Location"] == "/portal/links#conversions"


def address_in(page: str) -> str:
    found = re.search(r'hx-get="([^"]+)"', page)
    assert found
    return found[1]
