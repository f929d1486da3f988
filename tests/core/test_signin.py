"""Sessions are rows: they begin with the right password and end for good."""

from datetime import timedelta

import pytest
from sqlmodel import select

from core.clock import at, now
from core.db import session, transaction
from core.people import Person, find_person, get_person, hashed
from core.signin import (
    SESSION_DAYS,
    SignInSession,
    WrongSignIn,
    begin_session,
    end_sessions,
    person_of,
    require_password,
    set_password,
    sign_in,
    sign_out,
)
from tests.factories import PASSWORD, make_person


@pytest.fixture
def ana(settings: object) -> Person:
    with transaction():
        return make_person("Ana")


def holder(secret: str) -> str | None:
    with transaction(read_only=True):
        person = person_of(secret)
        return person.name if person else None


def signed_in(email: str = "ana@example.org", password: str = PASSWORD) -> str:
    with transaction(read_only=True):
        known = find_person(email)
    known = require_password(known, password)
    with transaction():
        return sign_in(known, user_agent="Browser/1.0 " * 100)


def test_right_password_begins_a_session_whose_secret_is_not_stored(ana: Person) -> None:
    secret = signed_in("ANA@example.org ")
    assert holder(secret) == "Ana"
    with transaction(read_only=True):
        row = session().exec(select(SignInSession)).one()
    assert secret not in row.model_dump_json()
    assert len(row.user_agent) == 200


def test_each_sign_in_has_a_secret_of_its_own(ana: Person) -> None:
    assert signed_in() != signed_in()


@pytest.mark.parametrize(
    ("email", "password"),
    [("ana@example.org", "wrong password"), ("nobody@example.org", PASSWORD), ("nobody@example.org", "nobody's password"), ("ana@example.org", "")],
)  # fmt: skip
def test_wrong_address_and_wrong_password_get_the_same_answer(ana: Person, email: str, password: str) -> None:
    with pytest.raises(WrongSignIn) as refused:
        signed_in(email, password)
    assert refused.value.sentence == "The e-mail address or the password is not right."


def test_disabled_account_cannot_sign_in_and_its_open_sessions_are_worth_nothing(ana: Person) -> None:
    secret = signed_in()
    with transaction():
        session().get_one(Person, ana.id).disabled_at = now()
    assert holder(secret) is None
    with pytest.raises(WrongSignIn):
        signed_in()


def test_signing_out_ends_this_session_and_no_other(ana: Person) -> None:
    first, second = signed_in(), signed_in()
    with transaction():
        sign_out(first)
        sign_out("never was one")
    assert (holder(first), holder(second)) == (None, "Ana")


def test_session_ends_by_itself_after_its_days(ana: Person) -> None:
    secret = signed_in()
    with at(now() + timedelta(days=SESSION_DAYS, seconds=-10)):
        assert holder(secret) == "Ana"
    with at(now() + timedelta(days=SESSION_DAYS)):
        assert holder(secret) is None


def test_new_password_ends_every_session_of_that_person_only(ana: Person) -> None:
    with transaction():
        other = begin_session(make_person("Ben"))
    secrets = [signed_in(), signed_in()]
    with transaction():
        set_password(ana.id, hashed("a new password of mine"))
    assert [holder(each) for each in secrets] == [None, None]
    assert holder(other) == "Ben"
    assert holder(signed_in(password="a new password of mine")) == "Ana"
    with pytest.raises(WrongSignIn):
        signed_in()


def test_ending_sessions_keeps_the_moment_they_ended_first(ana: Person) -> None:
    secret = signed_in()
    with at(now() + timedelta(minutes=1)), transaction():
        sign_out(secret)
    with at(now() + timedelta(minutes=9)), transaction():
        end_sessions(ana.id)
    with transaction(read_only=True):
        row = session().exec(select(SignInSession)).one()
        assert row.ended_at is not None
        assert row.ended_at < now() + timedelta(minutes=2)


def test_a_password_that_was_changed_in_the_same_moment_signs_nobody_in(ana: Person) -> None:
    require_password(ana, PASSWORD)
    with transaction():
        set_password(ana.id, hashed("a new password of mine"))
    with transaction(), pytest.raises(WrongSignIn):
        sign_in(ana)


def test_an_account_that_was_closed_in_the_same_moment_signs_nobody_in(ana: Person) -> None:
    require_password(ana, PASSWORD)
    with transaction():
        get_person(ana.id).disabled_at = now()
    with transaction(), pytest.raises(WrongSignIn):
        sign_in(ana)


@pytest.mark.parametrize("made_up", ["", "x", "x" * 10_000, "' OR 1=1 --", "%"])
def test_made_up_secrets_belong_to_nobody(ana: Person, made_up: str) -> None:
    signed_in()
    assert holder(made_up) is None
