"""Who is there: nobody, somebody without a role, staff, an advocate, a machine."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlmodel import select

from core.api_keys import ApiKey, create_api_key
from core.clock import now
from core.db import session, transaction
from core.people import Person
from tests.factories import PASSWORD, Cast, make_advocate


@pytest.fixture
def browser(small: Flask, cast: Cast) -> FlaskClient:
    return small.test_client()


def enter(browser: FlaskClient, person: Person, where: str = "") -> str:
    answer = browser.post("/login", data={"email": person.email, "password": PASSWORD, "next": where})
    assert answer.status_code == 303
    return answer.headers["Location"]


@pytest.mark.parametrize("path", ["/whoami", "/staff-only", "/advocates-only"])
def test_nobody_is_sent_to_the_sign_in_and_back(browser: FlaskClient, path: str) -> None:
    answer = browser.get(f"{path}?a=1")
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"/login?next={path}?a%3D1"


def test_stranger_has_an_account_and_nothing_else(browser: FlaskClient, cast: Cast) -> None:
    enter(browser, cast.stranger)
    assert browser.get("/whoami").text == "Stran Ger"
    assert browser.get("/staff-only").status_code == 403
    assert browser.get("/advocates-only").status_code == 403


def test_staff_pass_where_their_role_allows_it(browser: FlaskClient, cast: Cast) -> None:
    assert enter(browser, cast.manager) == "/console"
    assert browser.get("/staff-only").status_code == 403
    enter(browser, cast.hub_admin)
    assert browser.get("/staff-only").text == "Hanna Admin"


def test_advocate_has_a_number(browser: FlaskClient, cast: Cast) -> None:
    with transaction():
        member = make_advocate(cast.programme)
        person = session().get_one(Person, member.person_id)
    assert enter(browser, person) == "/portal"
    assert browser.get("/advocates-only").text == str(member.number)


def test_signing_in_leads_back_to_our_own_pages_only(browser: FlaskClient, cast: Cast) -> None:
    assert enter(browser, cast.stranger, "/whoami") == "/whoami"
    assert enter(browser, cast.stranger, "//evil.example") == "/portal"


def test_signing_out_makes_the_cookie_worthless(browser: FlaskClient, cast: Cast, small: Flask) -> None:
    enter(browser, cast.stranger)
    cookie = browser.get_cookie("spokes")
    assert cookie is not None
    assert browser.post("/logout").status_code == 303
    thief = small.test_client()
    thief.set_cookie("spokes", cookie.value)
    assert thief.get("/whoami").status_code == 302


def test_disabled_account_is_out_at_its_next_request(browser: FlaskClient, cast: Cast) -> None:
    enter(browser, cast.stranger)
    with transaction():
        session().get_one(Person, cast.stranger.id).disabled_at = now()
    assert browser.get("/whoami").status_code == 302


def key(cast: Cast, scope: str = "links:read") -> str:
    with transaction():
        return create_api_key("Shop", [scope], cast.north.id)


def test_machine_passes_with_a_key_of_the_right_scope_and_its_use_is_noted(
    browser: FlaskClient, cast: Cast
) -> None:
    answer = browser.get("/api/links", headers={"Authorization": f"Bearer {key(cast)}"})
    assert answer.get_json() == {"name": "Shop", "limit": 100}
    with transaction(read_only=True):
        assert session().exec(select(ApiKey.last_used_at)).one() is not None


def test_machine_without_the_scope_is_refused(browser: FlaskClient, cast: Cast) -> None:
    answer = browser.get("/api/links", headers={"Authorization": f"bearer {key(cast, 'clicks:read')}"})
    assert (answer.status_code, answer.get_json()["error"]) == (403, "Forbidden")


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer spk_wrong", "Basic dXM6cHc=", "spk_wrong", "Bearer \u00e9\u00e9"],
)
def test_machine_without_a_key_is_nobody(browser: FlaskClient, header: str) -> None:
    answer = browser.get("/api/links", headers={"Authorization": header})
    assert (answer.status_code, answer.get_json()["error"]) == (401, "WrongKey")


def test_signed_in_person_is_no_machine(browser: FlaskClient, cast: Cast) -> None:
    enter(browser, cast.hub_admin)
    assert browser.get("/api/links").status_code == 401


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "limit=", "after=" + "x" * 1001, "page=2", "limit=1&limit=2"],
)
def test_listing_has_bounds(browser: FlaskClient, cast: Cast, query: str) -> None:
    answer = browser.get(f"/api/links?{query}", headers={"Authorization": f"Bearer {key(cast)}"})
    assert answer.status_code == (200 if query == "limit=" else 422)
