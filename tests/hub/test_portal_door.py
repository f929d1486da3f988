"""The advocates' doors of the hub: home, and the policies they acknowledge."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlmodel import select

from advocates.membership import Membership
from core import db
from core.people import get_person
from hub import actions, policies
from hub.policies import Acknowledgement, PolicyVersion
from hub.roles import give_role
from referrals.links.links import links_of
from rewards import grants
from tests.curriculum.stories import certify, make_enrolment, make_release
from tests.factories import Cast, acting, make_advocate, sign_in
from tests.rewards.stories import percent_rule, sale


@pytest.fixture
def ana(cast: Cast) -> Membership:
    with db.transaction():
        return make_advocate(cast.programme)


@pytest.fixture
def version(cast: Cast) -> PolicyVersion:
    with db.transaction():
        by = acting(cast.hub_admin)
        text = "Say it *first*.\n\n<script>alert(1)</script>"
        return policies.publish_policy(cast.programme.id, "disclosure", "How we disclose", text, by=by)


def as_advocate(client: FlaskClient, member: Membership) -> FlaskClient:
    with db.transaction(read_only=True):
        person = get_person(member.person_id)
    return sign_in(client, person)


def acknowledged() -> list[str]:
    with db.transaction(read_only=True):
        return list(db.session().exec(select(Acknowledgement.person_id)).all())


def test_home_is_for_advocates(app: Flask, cast: Cast, ana: Membership) -> None:
    assert app.test_client().get("/portal").location == "/login?next=/portal"
    for person in (cast.stranger, cast.manager, cast.other_manager, cast.hub_admin):
        assert sign_in(app.test_client(), person).get("/portal").status_code == 403
    assert as_advocate(app.test_client(), ana).get("/portal").status_code == 200


def test_home_of_a_trainee_leads_to_the_first_lesson(
    client: FlaskClient, cast: Cast, ana: Membership
) -> None:
    with db.transaction():
        make_release(cast)
        make_enrolment(ana)
    page = as_advocate(client, ana).get("/portal").text
    assert "Lesson 1 of basics" in page
    assert 'href="/portal/learn/basics/lesson-1"' in page
    assert "№ 0001" in page
    assert "No rewards yet" in page


def test_home_shows_link_and_rewards_with_their_reason(
    client: FlaskClient, cast: Cast, ana: Membership
) -> None:
    with db.transaction():
        make_release(cast)
        certify(ana)
        (link,) = links_of(ana.id)
        percent_rule(cast.programme)
        grants.grant_for_conversion(sale(ana).id)
    page = as_advocate(client, ana).get("/portal").text
    assert f"/r/{link.code}" in page
    assert "€12.90" in page
    assert "10 % of €129.00" in page
    assert "Set up payouts" in page


def test_home_shows_nothing_of_anybody_else(client: FlaskClient, cast: Cast, ana: Membership) -> None:
    with db.transaction():
        make_release(cast)
        ben = make_advocate(cast.programme, "Ben Brings")
        certify(ben)
        (link,) = links_of(ben.id)
        percent_rule(cast.programme)
        grants.grant_for_conversion(sale(ben).id)
    page = as_advocate(client, ana).get("/portal").text
    assert link.code not in page
    assert "€12.90" not in page


def test_home_says_when_a_link_earns_nothing(client: FlaskClient, cast: Cast, ana: Membership) -> None:
    with db.transaction():
        make_release(cast)
        certify(ana)
        by = acting(cast.hub_admin)
        policies.publish_policy(cast.programme.id, "new", "A new policy", "Keep to it.", by=by)
    page = as_advocate(client, ana).get("/portal").text
    assert "earns nothing until you have acknowledged the policy" in page
    assert "Read and acknowledge “A new policy”" in page


def test_policy_is_read_and_acknowledged_once(
    client: FlaskClient, ana: Membership, version: PolicyVersion
) -> None:
    address = f"/portal/policies/{version.id}"
    page = as_advocate(client, ana).get(address).text
    assert "<em>first</em>" in page
    assert "<script>alert" not in page
    for _ in range(2):
        assert client.post(address, data={"accepted": "yes"}).location == "/portal"
    assert acknowledged() == [ana.person_id]
    assert "Nothing to do here" in client.get(address).text


def test_policy_is_not_acknowledged_without_the_tick(
    client: FlaskClient, ana: Membership, version: PolicyVersion
) -> None:
    answer = as_advocate(client, ana).post(f"/portal/policies/{version.id}", data={"accepted": "maybe"})
    assert answer.status_code == 422
    assert "Please tick the box" in answer.text
    assert acknowledged() == []


def test_policy_of_another_programme_is_not_there(
    app: Flask, cast: Cast, ana: Membership, version: PolicyVersion
) -> None:
    with db.transaction():
        gil = make_advocate(cast.other_programme, "Gil Gardener")
    address = f"/portal/policies/{version.id}"
    elsewhere = as_advocate(app.test_client(), gil)
    assert elsewhere.get(address).status_code == 404
    assert elsewhere.post(address, data={"accepted": "yes"}).status_code == 404
    for person in (cast.stranger, cast.manager):
        browser = sign_in(app.test_client(), person)
        assert browser.get(address).status_code == 403
        assert browser.post(address, data={"accepted": "yes"}).status_code == 403
    assert app.test_client().get(address).status_code == 302
    assert acknowledged() == []


def test_a_person_id_in_the_form_changes_nothing(
    client: FlaskClient, cast: Cast, ana: Membership, version: PolicyVersion
) -> None:
    data = {"accepted": "yes", "person_id": cast.stranger.id, "version_id": "x"}
    as_advocate(client, ana).post(f"/portal/policies/{version.id}", data=data)
    assert acknowledged() == [ana.person_id]


def test_an_older_version_is_not_acknowledged_any_more(
    client: FlaskClient, cast: Cast, ana: Membership, version: PolicyVersion
) -> None:
    with db.transaction():
        by = acting(cast.hub_admin)
        policies.publish_policy(cast.programme.id, "disclosure", "How we disclose", "Newer.", by=by)
    answer = as_advocate(client, ana).post(f"/portal/policies/{version.id}", data={"accepted": "yes"})
    assert answer.status_code == 409
    assert acknowledged() == []


def test_every_page_of_the_portal_names_the_programme(
    client: FlaskClient, cast: Cast, ana: Membership, version: PolicyVersion
) -> None:
    as_advocate(client, ana)
    for page in ("/portal", f"/portal/policies/{version.id}"):
        assert f"{cast.programme.name}</span>" in client.get(page).text


def test_what_waits_for_staff_is_not_counted_in_the_portal(
    client: FlaskClient, cast: Cast, ana: Membership
) -> None:
    with db.transaction():
        give_role(get_person(ana.person_id), "manager", cast.south.id, by=acting(cast.hub_admin))
        due = actions.due_in(3)
        actions.ask("reward.approve", "r", cast.south.id, right="reward.approve", summary="A", due_at=due)
    as_advocate(client, ana)
    assert 'class="count">1' in client.get("/console").text
    assert "tally" not in client.get("/portal").text
