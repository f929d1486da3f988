"""The pages of activities: an advocate hands in, the manager answers; strangers and neighbours see nothing."""

import pytest
from flask.testing import FlaskClient
from sqlmodel import select

from advocates import activities, activity_kinds
from advocates.activities import Activity
from advocates.membership import memberships_of
from core.access import COMMAND
from core.db import session, transaction
from core.people import Person, get_person
from tests.factories import Cast, acting, make_advocate, sign_in

MINE, PAGE = "/portal/activities", "/console/activities"


@pytest.fixture
def ana(cast: Cast) -> Person:
    with transaction():
        return get_person(make_advocate(cast.programme).person_id)


def the_one() -> Activity:
    with transaction(read_only=True):
        return session().exec(select(Activity)).one()


def test_from_the_kind_to_the_answer(client: FlaskClient, cast: Cast, ana: Person) -> None:
    sign_in(client, cast.manager)
    defined = client.post(
        PAGE,
        data={"programme_id": cast.programme.id, "name": "A talk", "counts_as": "activity"},
        follow_redirects=True,
    )
    assert "A talk" in defined.text
    with transaction(read_only=True):
        (kind,) = activity_kinds.kinds_of(cast.programme.id)
    client.post("/logout")
    sign_in(client, ana)
    wrong = client.post(MINE, data={"kind_id": kind.id, "evidence": "talks.example/7"})
    assert wrong.status_code == 422
    assert "beginning with https://" in wrong.text
    sent = client.post(
        MINE,
        data={"kind_id": kind.id, "evidence": "https://talks.example/7", "words": "Forty people."},
        follow_redirects=True,
    )
    assert "https://talks.example/7" in sent.text
    assert "waits for an answer" in sent.text
    assert client.get(PAGE).status_code == 403
    client.post("/logout")
    sign_in(client, cast.manager)
    assert "Forty people." in client.get(PAGE).text
    address = f"{PAGE}/{the_one().id}"
    assert client.post(address, data={"act": "decline"}).status_code == 422
    assert client.post(address, data={"act": "accept"}).status_code == 303
    assert "Forty people." not in client.get(PAGE).text
    assert "Take it back" in client.get(f"{PAGE}?state=accepted").text
    client.post(address, data={"act": "take_back", "reason": "It was a copy."})
    client.post("/logout")
    sign_in(client, ana)
    assert "It was a copy." in client.get(MINE).text


def test_a_stranger_and_another_units_manager_get_nothing(
    client: FlaskClient, cast: Cast, ana: Person
) -> None:
    with transaction():
        kind = activity_kinds.define(cast.programme, "A talk", "activity", by=COMMAND)
        member = memberships_of(ana.id)[0]
        activities.submit(member, kind.id, evidence="https://talks.example/7", words="", by=acting(ana))
    address = f"{PAGE}/{the_one().id}"
    new_kind = {"programme_id": cast.programme.id, "name": "Mine", "counts_as": "answer"}
    end = {"programme_id": cast.programme.id, "kind_id": kind.id}
    sign_in(client, cast.stranger)
    assert client.get(PAGE).status_code == 403
    assert client.get(MINE).status_code == 403
    assert client.post(address, data={"act": "accept"}).status_code == 403
    client.post("/logout")
    sign_in(client, cast.other_manager)
    assert "talks.example" not in client.get(f"{PAGE}?state=all").text
    assert client.post(address, data={"act": "accept"}).status_code == 404
    assert client.post(PAGE, data=new_kind).status_code == 404
    assert client.post(f"{PAGE}/kinds/end", data=end).status_code == 404
    assert the_one().state == "open"
    client.post("/logout")
    sign_in(client, cast.marketing)
    assert client.post(address, data={"act": "accept"}).status_code == 403
    client.post("/logout")
    sign_in(client, cast.manager)
    assert client.post(f"{PAGE}/kinds/end", data=end).status_code == 303
    assert client.post(MINE, data={"kind_id": kind.id, "evidence": "https://x.example"}).status_code == 403
