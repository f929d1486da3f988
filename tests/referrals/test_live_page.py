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
