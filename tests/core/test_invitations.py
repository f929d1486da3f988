"""Links by mail: good once, for a while, for one purpose."""

from datetime import timedelta

import pytest
from sqlmodel import select

from core.clock import at, now
from core.db import session, transaction
from core.invitations import LinkSpent, MailedToken, holder, issue, redeem
from core.people import Person, hashed, password_fits, register
from core.signin import begin_session, person_of
from tests.at_once import at_once

NEW = "a new password of mine"


@pytest.fixture
def ana(settings: object) -> Person:
    with transaction():
        return register("ana@example.org", "Ana")


def issued(person: Person) -> str:
    with transaction():
        return issue(person.id, "reset")


def redeemed(secret: str, password: str = NEW) -> Person:
    with transaction():
        return redeem(secret, hashed(password))


def test_link_sets_the_password_once(ana: Person) -> None:
    secret = issued(ana)
    assert password_fits(redeemed(secret), NEW)
    with pytest.raises(LinkSpent):
        redeemed(secret, "another password of theirs")
    with transaction(read_only=True), pytest.raises(LinkSpent):
        holder(secret)


def test_looking_at_the_link_does_not_use_it(ana: Person) -> None:
    secret = issued(ana)
    for _ in range(3):  # mail programs open links to look at them
        with transaction(read_only=True):
            assert holder(secret).id == ana.id
    redeemed(secret)


def test_of_two_who_use_it_at_once_one_comes_in(ana: Person) -> None:
    secret = issued(ana)
    answers = at_once(*[lambda: redeemed(secret)] * 4)
    assert [type(each) for each in answers].count(Person) == 1
    assert [type(each) for each in answers].count(LinkSpent) == 3


@pytest.mark.parametrize(
    ("purpose", "good_for"), [("reset", timedelta(hours=1)), ("invitation", timedelta(days=14))]
)
def test_link_grows_old(ana: Person, purpose: str, good_for: timedelta) -> None:
    began = now()
    with at(began), transaction():
        secret = issue(ana.id, purpose)  # type: ignore[arg-type]  # one of the two
    with at(began + good_for - timedelta(seconds=1)), transaction(read_only=True):
        assert holder(secret).id == ana.id
    with at(began + good_for), pytest.raises(LinkSpent):
        redeemed(secret)


def test_used_link_takes_the_other_links_and_the_sessions_with_it(ana: Person) -> None:
    first, second = issued(ana), issued(ana)
    with transaction():
        cookie = begin_session(ana)
    redeemed(second)
    with pytest.raises(LinkSpent):
        redeemed(first, "somebody else's password")
    with transaction(read_only=True):
        assert person_of(cookie) is None


def test_only_the_hash_of_a_link_is_kept(ana: Person) -> None:
    secret = issued(ana)
    with transaction(read_only=True):
        assert secret not in session().exec(select(MailedToken)).one().model_dump_json()


def test_made_up_link_is_a_spent_one(ana: Person) -> None:
    for made_up in ("", "x", "%", "../../etc/passwd"):
        with pytest.raises(LinkSpent) as refused:
            redeemed(made_up)
        assert refused.value.status == 404
