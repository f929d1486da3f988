"""Signing in and out, invitations and new passwords, as a visitor meets them."""

import re
from typing import Literal

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlmodel import col, select

from core import db, invitations, people
from core.clock import now
from core.outbox import OutboxMessage
from core.people import find_person
from core.public import LINKS_PER_ACCOUNT, TRIES_PER_ACCOUNT, own_path
from core.signin import SignInSession
from tests.factories import PASSWORD, Cast, make_advocate, sign_in

ANOTHER = "a different long password"


def try_in(client: FlaskClient, email: str, password: str = PASSWORD, **more: str) -> int:
    return client.post("/login", data={"email": email, "password": password, **more}).status_code


def open_sessions(person_id: str) -> int:
    with db.transaction(read_only=True):
        rows = db.session().exec(select(SignInSession).where(SignInSession.person_id == person_id)).all()
        return sum(row.ended_at is None for row in rows)


def issued(cast: Cast, purpose: invitations.Purpose = "reset") -> str:
    with db.transaction():
        return invitations.issue(cast.manager.id, purpose)


def mails() -> list[OutboxMessage]:
    with db.transaction(read_only=True):
        return list(db.session().exec(select(OutboxMessage).order_by(col(OutboxMessage.id))).all())


def test_staff_start_in_the_console_and_advocates_in_the_portal(app: Flask, cast: Cast) -> None:
    with db.transaction():
        make_advocate(cast.programme)
    staff = {"email": cast.manager.email.upper(), "password": PASSWORD}
    advocate = {"email": "ana.advocate@example.org", "password": PASSWORD}
    assert app.test_client().post("/login", data=staff).location == "/console"
    assert app.test_client().post("/login", data=advocate).location == "/portal"


def test_unknown_address_and_wrong_password_get_the_same_answer(client: FlaskClient, cast: Cast) -> None:
    known = client.post("/login", data={"email": cast.manager.email, "password": "wrong"})
    unknown = client.post("/login", data={"email": "nobody@example.org", "password": "wrong"})
    assert known.status_code == unknown.status_code == 422
    pages = known.text.replace(cast.manager.email, ""), unknown.text.replace("nobody@example.org", "")
    one, other = (
        re.sub('name="csrf_token" value="[^"]*"', "", each) for each in pages
    )  # it names its second
    assert one == other
    assert "wrong" not in known.text  # what was typed as a password is not written back


def test_a_disabled_account_does_not_sign_in(client: FlaskClient, cast: Cast) -> None:
    with db.transaction():
        person = find_person(cast.manager.email)
        assert person is not None
        person.disabled_at = now()
    assert try_in(client, cast.manager.email) == 422


def test_passwords_are_looked_at_while_no_transaction_is_open(
    app: Flask, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Watchful(PasswordHasher):
        def verify(self, digest: str | bytes, password: str | bytes) -> Literal[True]:
            assert not db.in_transaction(), "it is slow on purpose, and would hold SQLite's only write lock"
            return super().verify(digest, password)

        def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
            assert not db.in_transaction()
            return super().hash(password, salt=salt)

    monkeypatch.setattr(people, "_hasher", Watchful(time_cost=1, memory_cost=8, parallelism=1))
    assert try_in(app.test_client(), cast.manager.email) == 303
    assert try_in(app.test_client(), cast.manager.email, "wrong") == 422
    chosen = app.test_client().post(f"/reset/{issued(cast)}", data={"password": ANOTHER})
    assert chosen.status_code == 303


def test_a_stranger_elsewhere_does_not_lock_the_owner_out(app: Flask, cast: Cast) -> None:
    stranger, owner = app.test_client(), app.test_client()
    stranger.environ_base["REMOTE_ADDR"] = "203.0.113.9"
    for _ in range(TRIES_PER_ACCOUNT + 1):
        last = try_in(stranger, cast.manager.email, "wrong")
    assert last == 429
    assert try_in(owner, cast.manager.email) == 303


def test_guessing_is_throttled_per_account_even_with_the_right_password_at_last(
    client: FlaskClient, cast: Cast
) -> None:
    tries = [try_in(client, cast.manager.email, "wrong") for _ in range(TRIES_PER_ACCOUNT)]
    assert set(tries) == {422}
    refused = client.post("/login", data={"email": cast.manager.email.title(), "password": PASSWORD})
    assert refused.status_code == 429
    assert "Too many attempts" in refused.text
    assert try_in(client, cast.finance.email) == 303  # somebody else's account is not locked by it


def test_good_sign_ins_use_up_nothing_of_what_an_account_may_guess(app: Flask, cast: Cast) -> None:
    good = [try_in(app.test_client(), cast.manager.email) for _ in range(TRIES_PER_ACCOUNT + 2)]
    assert set(good) == {303}
    tries = []
    for _ in range(TRIES_PER_ACCOUNT - 1):
        tries.append(try_in(app.test_client(), cast.manager.email, "wrong"))
        tries.append(try_in(app.test_client(), cast.manager.email))
    assert tries == [422, 303] * (TRIES_PER_ACCOUNT - 1), "nor do they forgive any guess"
    assert [try_in(app.test_client(), cast.manager.email, "wrong") for _ in range(2)] == [422, 429]


def test_guessing_is_throttled_per_address(client: FlaskClient, cast: Cast) -> None:
    tries = [try_in(client, f"someone{i}@example.org", "wrong") for i in range(61)]
    assert tries[-1] == 429
    assert tries.count(429) == 1


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "portal",
        "/a\tb",
        "",
    ],
)
def test_nobody_is_sent_elsewhere_after_signing_in(client: FlaskClient, cast: Cast, target: str) -> None:
    answer = client.post("/login", data={"email": cast.manager.email, "password": PASSWORD, "next": target})
    assert answer.location in {"/console", None}
    assert own_path(target) == ""
    assert "evil" not in client.get("/login", query_string={"next": target}).text


def test_after_signing_in_one_is_where_one_wanted_to_be(client: FlaskClient, cast: Cast) -> None:
    refused = client.get("/console/audit?q=role")
    assert refused.status_code == 302
    assert refused.location == "/login?next=/console/audit?q%3Drole"
    assert 'value="/console/audit?q=role"' in client.get(refused.location).text
    data = {"email": cast.hub_admin.email, "password": PASSWORD, "next": "/console/audit?q=role"}
    assert client.post("/login", data=data).location == "/console/audit?q=role"


def test_signing_out_ends_the_session_for_good_not_only_the_cookie(
    app: Flask, client: FlaskClient, cast: Cast
) -> None:
    sign_in(client, cast.manager)
    cookie = client.get_cookie("spokes")
    assert cookie is not None
    assert client.post("/logout").location == "/"
    thief = app.test_client()
    thief.set_cookie("spokes", cookie.value)
    assert thief.get("/console").status_code == 302
    assert open_sessions(cast.manager.id) == 0


def test_signing_in_again_ends_the_session_before(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.manager)
    sign_in(client, cast.manager)
    assert open_sessions(cast.manager.id) == 1


def test_signing_out_needs_nobody_signed_in(client: FlaskClient, cast: Cast) -> None:
    assert client.post("/logout").status_code == 303
    assert client.get("/logout").status_code == 405


def test_a_link_by_mail_sets_a_password_once_and_signs_in(
    app: Flask, client: FlaskClient, cast: Cast
) -> None:
    address = f"/reset/{issued(cast)}"
    assert cast.manager.name not in client.get("/reset/unknown").text
    assert "Choose a new password" in client.get(address).text
    answer = client.post(address, data={"password": ANOTHER})
    assert answer.location == "/console"
    assert client.get("/console").status_code == 200
    again = app.test_client()
    assert again.get(address).status_code == 404
    assert again.post(address, data={"password": PASSWORD}).status_code == 404
    assert try_in(again, cast.manager.email) == 422
    assert try_in(again, cast.manager.email, ANOTHER) == 303


def test_a_new_password_ends_every_session_and_every_other_link(
    app: Flask, client: FlaskClient, cast: Cast
) -> None:
    other = sign_in(app.test_client(), cast.manager)
    first, second = issued(cast), issued(cast, "invitation")
    client.post(f"/welcome/{second}", data={"password": ANOTHER})
    assert other.get("/console").status_code == 302
    assert app.test_client().get(f"/reset/{first}").status_code == 404


def test_a_password_that_is_too_short_leaves_the_link_good(client: FlaskClient, cast: Cast) -> None:
    address = f"/welcome/{issued(cast, 'invitation')}"
    short = client.post(address, data={"password": "short"})
    assert short.status_code == 422
    assert "at least 12 characters" in short.text
    assert client.post(address, data={"password": ANOTHER}).status_code == 303


def test_a_link_of_a_disabled_account_is_good_for_nothing(client: FlaskClient, cast: Cast) -> None:
    address = f"/reset/{issued(cast)}"
    with db.transaction():
        person = find_person(cast.manager.email)
        assert person is not None
        person.disabled_at = now()
    assert client.get(address).status_code == 404
    assert client.post(address, data={"password": ANOTHER}).status_code == 404


def test_forgetting_answers_the_same_for_everybody_and_mails_only_who_is_there(
    client: FlaskClient, cast: Cast
) -> None:
    known = client.post("/forgot", data={"email": cast.manager.email}, follow_redirects=True)
    assert [each.recipient for each in mails()] == [cast.manager.email]
    unknown = client.post("/forgot", data={"email": "nobody@example.org"}, follow_redirects=True)
    mask = re.compile(r'content="[^"]*\.[^"]*\.[^"]*"|name="csrf_token" value="[^"]*"')  # they hold the time
    assert mask.sub("", known.text) == mask.sub("", unknown.text)
    assert len(mails()) == 1
    link = mails()[0].content["text"].split("/reset/")[1].split()[0]
    assert client.get(f"/reset/{link}").status_code == 200


def test_nobody_is_flooded_with_links(client: FlaskClient, cast: Cast) -> None:
    answers = [
        client.post("/forgot", data={"email": cast.manager.email}).status_code
        for _ in range(LINKS_PER_ACCOUNT + 1)
    ]
    assert answers == [303] * LINKS_PER_ACCOUNT + [429]
    assert len(mails()) == LINKS_PER_ACCOUNT


@pytest.mark.parametrize("address", ["/login", "/forgot"])
def test_empty_and_odd_forms_come_back_with_sentences(client: FlaskClient, cast: Cast, address: str) -> None:
    assert client.post(address).status_code == 422
    assert client.post(address, data={"email": "a\0b", "password": "x"}).status_code == 422
    assert (
        client.post(
            address, data={"email": "a@example.org", "password": "x", "role": "hub_admin"}
        ).status_code
        == 422
    )
    assert client.post(address, data={"email": "x" * 5_000, "password": "x"}).status_code == 422
