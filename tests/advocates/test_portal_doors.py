"""Doors for advocates: the profile, other browsers, other programmes."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlmodel import col, select

from advocates import membership
from advocates.membership import Membership
from core.access import COMMAND
from core.audit import AuditEntry
from core.db import session, transaction
from core.people import get_person
from tests.factories import Cast, make_advocate, sign_in

GOOD = {"name": "Ana A.", "time_zone": "Asia/Tokyo", "shown_by_name": "yes"}


@pytest.fixture
def member(cast: Cast) -> Membership:
    with transaction():
        return make_advocate(cast.programme)


def come_in(client: FlaskClient, member: Membership) -> FlaskClient:
    with transaction(read_only=True):
        person = get_person(member.person_id)
    return sign_in(client, person)


def test_only_advocates_have_a_profile(client: FlaskClient, cast: Cast) -> None:
    assert client.get("/portal/profile").headers["Location"].startswith("/login")
    for person in (cast.stranger, cast.manager):
        sign_in(client, person)
        assert client.get("/portal/profile").status_code == 403
        assert client.post("/portal/profile", data=GOOD).status_code == 403
        assert client.post("/portal/profile/sign-out-others").status_code == 403


def test_name_zone_and_consent_are_changed_and_the_consent_is_on_the_log(
    client: FlaskClient, cast: Cast, member: Membership
) -> None:
    come_in(client, member)
    assert "#1" in client.get("/portal/profile").text
    assert client.post("/portal/profile", data=GOOD).status_code == 303
    with transaction(read_only=True):
        now_is = membership.get_membership(member.id)
        person = get_person(member.person_id)
        assert (person.name, person.time_zone, now_is.shown_by_name) == ("Ana A.", "Asia/Tokyo", True)
        assert membership.public_name(now_is) == "Ana A."
    without = {"name": "Ana A.", "time_zone": "Asia/Tokyo"}
    assert client.post("/portal/profile", data=without).status_code == 303
    with transaction(read_only=True):
        log = (
            session()
            .exec(
                select(AuditEntry).where(AuditEntry.action == "advocate.named").order_by(col(AuditEntry.seq))
            )
            .all()
        )
        assert [each.details["shown_by_name"] for each in log] == [True, False]


@pytest.mark.parametrize(
    "change", [{"name": ""}, {"name": "x" * 201}, {"time_zone": "Mars/Base"}, {"email": "other@example.org"}]
)
def test_what_a_profile_refuses(
    client: FlaskClient, cast: Cast, member: Membership, change: dict[str, str]
) -> None:
    come_in(client, member)
    assert client.post("/portal/profile", data={**GOOD, **change}).status_code == 422
    with transaction(read_only=True):
        assert get_person(member.person_id).name == "Ana Advocate"


def test_other_browsers_are_signed_out_and_this_one_stays(app: Flask, cast: Cast, member: Membership) -> None:
    here, there = app.test_client(), app.test_client()
    come_in(here, member)
    come_in(there, member)
    assert there.get("/portal/profile").status_code == 200
    assert here.post("/portal/profile/sign-out-others").status_code == 303
    assert here.get("/portal/profile").status_code == 200
    assert there.get("/portal/profile").status_code == 302


def test_an_advocate_of_two_programmes_goes_from_one_to_the_other(
    client: FlaskClient, cast: Cast, member: Membership
) -> None:
    with transaction():
        person = get_person(member.person_id)
        second = membership.welcome(person, cast.other_programme, by=COMMAND)
        foreign = make_advocate(cast.programme, "Someone Else")
    come_in(client, member)
    assert "Go to Gardeners" in client.get("/portal/profile").text
    assert client.post("/portal/programme", data={"membership": second.id}).status_code == 303
    assert "Go to Makers" in client.get("/portal/profile").text
    assert client.post("/portal/programme", data={"membership": foreign.id}).status_code == 404
    assert client.post("/portal/programme", data={}).status_code == 422
