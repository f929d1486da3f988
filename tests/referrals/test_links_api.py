"""Links opened, changed and ended by machines: once each, in the key's units only."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlmodel import col, select

from advocates.membership import Membership, welcome
from core import db
from core.access import COMMAND
from core.audit import AuditEntry
from core.clock import at, now
from core.people import get_person
from referrals.conversions.examples import A_LINK
from referrals.conversions.rights import right_to_earn
from referrals.links.links import Link
from tests.at_once import at_once
from tests.factories import Cast, make_advocate
from tests.referrals.stories import Visitors, make_earner

Machine = Callable[..., FlaskClient]
LINKS = "/api/v1/links"


@pytest.fixture
def ana(cast: Cast) -> Membership:
    with db.transaction():
        return make_earner(cast.programme)


@pytest.fixture
def crm(machine: Machine, cast: Cast, ana: Membership) -> FlaskClient:
    return machine(cast.north, "links:read", "links:write")


def held(code: str | None = None) -> int:
    with db.transaction(read_only=True):
        wanted = select(Link.id) if code is None else select(Link.id).where(Link.code == code)
        return len(db.session().exec(wanted).all())


def test_a_link_is_opened_for_an_advocate_by_id_or_by_address(crm: FlaskClient, ana: Membership) -> None:
    with db.transaction(read_only=True):
        email = get_person(ana.person_id).email
    by_id = crm.post(LINKS, json={"advocate_id": ana.id, "code": "Ana-One", "coupon": "ana1"})
    assert by_id.status_code == 201, by_id.text
    assert by_id.json is not None
    assert (by_id.json["code"], by_id.json["coupon"]) == ("ana-one", "ANA1")
    assert (by_id.json["active"], by_id.json["advocate_id"], by_id.json["ends_at"]) == (True, ana.id, None)
    end = (now() + timedelta(days=9)).isoformat()
    body = {**A_LINK, "email": email.upper(), "programme": "makers", "ends_at": end}
    by_email = crm.post(LINKS, json=body).get_json()
    assert (by_email["destination"], by_email["campaign"]) == ("https://shop.example/autumn", "autumn")
    assert by_email["ends_at"].startswith(end[:19])
    assert crm.get(f"{LINKS}/ana-autumn").get_json() == by_email


def test_a_link_that_starts_later_is_not_active_yet(
    crm: FlaskClient, ana: Membership, visitors: Visitors
) -> None:
    start = now() + timedelta(days=1)
    body = {"advocate_id": ana.id, "code": "later", "starts_at": start.isoformat()}
    assert crm.post(LINKS, json=body).get_json()["active"] is False
    assert visitors.click("later").status != 302


def test_a_machine_whose_clock_is_a_little_behind_starts_a_link_now(
    crm: FlaskClient, ana: Membership
) -> None:
    body = {"advocate_id": ana.id, "code": "behind", "starts_at": (now() - timedelta(minutes=2)).isoformat()}
    first, again = crm.post(LINKS, json=body), crm.post(LINKS, json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    with at(now() + timedelta(hours=1)):
        assert crm.post(LINKS, json=body).status_code == 200, "a repetition opens nothing, whenever it comes"


def test_the_same_request_again_opens_nothing(crm: FlaskClient, ana: Membership) -> None:
    body = {"advocate_id": ana.id, "code": "once", "coupon": "ONCE"}
    first, again = crm.post(LINKS, json=body), crm.post(LINKS, json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json == again.json
    assert held("once") == 1
    for change in ({"campaign": "x"}, {"coupon": None}, {"destination": "https://shop.example/else"}):
        other = crm.post(LINKS, json={**body, **change})
        assert (other.status_code, other.get_json()["error"]) == (409, "CodeTaken")


def test_a_key_of_ones_own_makes_a_request_without_a_code_one(
    crm: FlaskClient, machine: Machine, cast: Cast, ana: Membership
) -> None:
    before, body, once = held(), {"advocate_id": ana.id}, {"Idempotency-Key": "crm-7"}
    first = crm.post(LINKS, json=body, headers=once)
    again = crm.post(LINKS, json=body, headers=once)
    assert (first.status_code, again.status_code, first.json) == (201, 200, again.json)
    other = crm.post(LINKS, json={**body, "campaign": "x"}, headers=once)
    assert (other.status_code, other.get_json()["error"]) == (409, "RequestDiffers")
    assert held() == before + 1
    hub = machine(cast.hub, "links:write").post(LINKS, json=body, headers=once)
    assert hub.status_code == 201, "the hub's keys have a space of their own"
    for wrong in ("", "a b", "x" * 201, "é"):
        refused = crm.post(LINKS, json=body, headers={"Idempotency-Key": wrong})
        assert (refused.status_code, refused.get_json()["error"]) == (422, "WrongIdempotencyKey")


@pytest.mark.parametrize("named", [{"code": "race"}, {}])
def test_the_same_request_at_once_opens_one(crm: FlaskClient, ana: Membership, named: dict[str, str]) -> None:
    before = held()

    def ask() -> int:
        client = crm.application.test_client()
        client.environ_base = dict(crm.environ_base)
        body = {"advocate_id": ana.id, **named}
        return client.post(LINKS, json=body, headers={"Idempotency-Key": "race"}).status_code

    assert sorted(map(str, at_once(*[ask] * 4))) == ["200", "200", "200", "201"]
    assert held() == before + 1


def test_what_cannot_be_is_refused_with_a_sentence(
    crm: FlaskClient, machine: Machine, cast: Cast, ana: Membership
) -> None:
    yesterday, in_six_years = ((now() + timedelta(days=each)).isoformat() for each in (-1, 6 * 366))
    with db.transaction():
        trainee = make_advocate(cast.programme, "Tra Inee")
    bad: list[tuple[dict[str, Any], int, str]] = [
        ({}, 422, "InvalidInput"),
        ({"advocate_id": ana.id, "email": "ana@example.org"}, 422, "InvalidInput"),
        ({"advocate_id": ana.id, "unit_id": "mine"}, 422, "InvalidInput"),
        ({"advocate_id": ana.id, "code": 7}, 422, "InvalidInput"),
        ({"advocate_id": ana.id, "campaign": "a\nb"}, 422, "InvalidInput"),
        ({"advocate_id": ana.id, "ends_at": "9999-12-31T23:59:59-14:00"}, 422, "InvalidInput"),
        ({"advocate_id": ana.id, "code": "-"}, 422, "WrongCode"),
        ({"advocate_id": ana.id, "coupon": "a b c"}, 422, "WrongCoupon"),
        ({"advocate_id": ana.id, "destination": "https://evil.example/"}, 422, "HostNotAllowed"),
        ({"advocate_id": ana.id, "destination": "javascript:alert(1)"}, 422, "WrongDestination"),
        (
            {"advocate_id": ana.id, "destination": f"https://shop.example/{'ü' * 1_900}"},
            422,
            "DestinationTooLong",
        ),
        ({"advocate_id": ana.id, "ends_at": yesterday}, 422, "EndsTooEarly"),
        ({"advocate_id": ana.id, "ends_at": "9999-12-31T23:59:59Z"}, 422, "EndsTooEarly"),
        ({"advocate_id": ana.id, "ends_at": in_six_years}, 422, "EndsTooEarly"),
        ({"advocate_id": ana.id, "starts_at": "9999-12-31T23:59:59Z"}, 422, "StartsTooEarly"),
        ({"advocate_id": ana.id, "starts_at": in_six_years}, 422, "StartsTooEarly"),
        ({"advocate_id": ana.id, "starts_at": "0001-01-01T00:00:00Z"}, 422, "StartsTooEarly"),
        ({"advocate_id": ana.id, "starts_at": yesterday}, 422, "StartsTooEarly"),
        ({"advocate_id": trainee.id}, 409, "NoRightToEarn"),
        ({"advocate_id": "nobody"}, 404, "MembershipNotFound"),
        ({"email": "nobody@example.org"}, 404, "MembershipNotFound"),
        ({"advocate_id": ana.id, "programme": "gardeners"}, 404, "MembershipNotFound"),
    ]
    before = held()
    for body, status, error in bad:
        answer = crm.post(LINKS, json=body)
        assert (answer.status_code, answer.get_json()["error"]) == (status, error), body
    assert held() == before


def test_who_is_in_two_programmes_is_named_with_one(machine: Machine, cast: Cast, ana: Membership) -> None:
    with db.transaction():
        person = get_person(ana.person_id)
        welcome(person, cast.other_programme, by=COMMAND)
    hub = machine(cast.hub)
    answer = hub.post(LINKS, json={"email": person.email})
    assert (answer.status_code, answer.get_json()["error"]) == (422, "ProgrammeNeeded")
    assert answer.get_json()["details"] == {"programmes": ["gardeners", "makers"]}
    assert hub.post(LINKS, json={"email": person.email, "programme": "makers"}).status_code == 201
    north = machine(cast.north)
    assert north.post(LINKS, json={"email": person.email}).status_code == 201, "north knows of one only"


def test_a_link_is_changed_and_visitors_follow(crm: FlaskClient, ana: Membership, visitors: Visitors) -> None:
    crm.post(LINKS, json={"advocate_id": ana.id, "code": "ana"})
    changed = crm.patch(f"{LINKS}/ANA", json={"destination": "https://shop.example/new", "campaign": "may"})
    assert changed.status_code == 200, changed.text
    assert crm.get(f"{LINKS}/ana").json == changed.json
    visitors.path.links.refresh()
    assert visitors.click("ana").header("Location").startswith("https://shop.example/new?utm_source")
    later = (now() + timedelta(days=2)).isoformat()
    assert crm.patch(f"{LINKS}/ana", json={"ends_at": later}).get_json()["ends_at"][:19] == later[:19]
    assert crm.patch(f"{LINKS}/ana", json={"ends_at": None}).get_json()["ends_at"] is None
    with db.transaction(read_only=True):
        version = db.session().exec(select(Link).where(Link.code == "ana")).one().version
    assert crm.patch(f"{LINKS}/ana", json={"campaign": "may"}).status_code == 200
    with db.transaction(read_only=True):
        assert db.session().exec(select(Link).where(Link.code == "ana")).one().version == version
        noted = select(AuditEntry).where(col(AuditEntry.action) == "link.changed")
        assert len(db.session().exec(noted).all()) == 3
    for wrong in (
        {},
        {"campaign": None},
        {"code": "other"},
        {"ends_at": "soon"},
        {"ends_at": "9999-12-31T00:00:00Z"},
    ):
        assert crm.patch(f"{LINKS}/ana", json=wrong).status_code == 422


def test_a_coupon_is_given_taken_away_and_one_links_only(crm: FlaskClient, ana: Membership) -> None:
    for code in ("ana", "ana-two"):
        crm.post(LINKS, json={"advocate_id": ana.id, "code": code})
    assert crm.patch(f"{LINKS}/ana", json={"coupon": "ana10"}).get_json()["coupon"] == "ANA10"
    assert crm.patch(f"{LINKS}/ana", json={"campaign": "may"}).get_json()["coupon"] == "ANA10"
    taken = crm.patch(f"{LINKS}/ana-two", json={"coupon": "ANA10"})
    assert (taken.status_code, taken.get_json()["error"]) == (409, "CouponTaken")
    assert crm.patch(f"{LINKS}/ana", json={"coupon": None}).get_json()["coupon"] is None
    assert crm.patch(f"{LINKS}/ana-two", json={"coupon": "ANA10"}).status_code == 200
    assert crm.patch(f"{LINKS}/ana", json={"coupon": "!"}).get_json()["error"] == "WrongCoupon"


def test_a_link_ends_once_and_is_not_changed_afterwards(
    crm: FlaskClient, ana: Membership, visitors: Visitors
) -> None:
    crm.post(LINKS, json={"advocate_id": ana.id, "code": "ana"})
    first, again = crm.post(f"{LINKS}/ana/end"), crm.post(f"{LINKS}/ana/end")
    assert first.get_json()["active"] is False
    assert (again.status_code, again.json) == (200, first.json)
    visitors.path.links.refresh()
    assert visitors.click("ana").status != 302
    late = crm.patch(f"{LINKS}/ana", json={"ends_at": None})
    assert (late.status_code, late.get_json()["error"]) == (409, "AlreadyEnded")


def test_a_key_without_the_scope_is_refused_and_another_units_finds_nothing(
    machine: Machine, cast: Cast, crm: FlaskClient, ana: Membership
) -> None:
    crm.post(LINKS, json={"advocate_id": ana.id, "code": "ana"})
    ways = [("POST", LINKS, {"advocate_id": ana.id}), ("PATCH", f"{LINKS}/ana", {"campaign": "x"})]
    ways.append(("POST", f"{LINKS}/ana/end", {}))
    reader, south, nobody = (
        machine(cast.north, "links:read"),
        machine(cast.south),
        crm.application.test_client(),
    )
    for who, status in ((reader, 403), (south, 404), (nobody, 401)):
        found = {path: who.open(path, method=method, json=body).status_code for method, path, body in ways}
        assert set(found.values()) == {status}, found
    taken = south.post(LINKS, json={"advocate_id": ana.id, "code": "ana"})
    assert taken.status_code == 404
    with db.transaction(read_only=True):
        assert right_to_earn(ana.id, now()).earns
