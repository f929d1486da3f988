"""People and passwords: one account per address, nothing to learn from a wrong try."""

from typing import Literal

import pytest
from argon2 import PasswordHasher

from core import people
from core.clock import now
from core.db import transaction
from core.errors import NotFound
from core.people import (
    EmailTaken,
    PasswordTooLong,
    PasswordTooShort,
    find_person,
    get_person,
    hashed,
    password_fits,
    register,
)
from tests.factories import PASSWORD, make_person

pytestmark = pytest.mark.usefixtures("settings")


def test_addresses_are_the_same_whatever_their_case_and_space() -> None:
    with transaction():
        ana = register(" Ana@Example.ORG ", "Ana")
        assert ana.email == "ana@example.org"
        assert find_person("ANA@example.org\n") is ana
        assert get_person(ana.id) is ana
        with pytest.raises(EmailTaken):
            register("aNa@example.org", "Another")


def test_somebody_unknown_is_none_or_not_found() -> None:
    with transaction(read_only=True):
        assert find_person("nobody@example.org") is None
        with pytest.raises(NotFound):
            get_person("nobody")


def test_password_has_a_shortest_and_a_longest_length() -> None:
    with pytest.raises(PasswordTooShort):
        hashed("eleven char")
    with pytest.raises(PasswordTooLong):
        hashed("x" * 257)
    assert hashed("x" * 256) != hashed("x" * 256), "each has its own salt"
    assert hashed("twelve chars").startswith("$argon2id$")


def test_password_is_checked_and_never_kept() -> None:
    with transaction():
        ana = register("ana@example.org", "Ana", password=PASSWORD)
        assert PASSWORD not in (ana.password_hash or "")
        assert password_fits(ana, PASSWORD)
        assert not password_fits(ana, PASSWORD.upper())
        assert not password_fits(ana, "")


def test_somebody_invited_disabled_or_unknown_never_fits() -> None:
    with transaction():
        invited, disabled = register("new@example.org", "New"), make_person("Gone Away")
        disabled.disabled_at = now()
        for nobody in (invited, disabled, None):
            for tried in (PASSWORD, "nobody's password", ""):
                assert not password_fits(nobody, tried)


def test_an_unknown_address_costs_the_same_hash_as_a_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with transaction():
        known, invited = make_person("Ana"), register("new@example.org", "New")
    verified: list[str] = []

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 - as argon2 names it
            verified.append(str(hash).split(",p=")[0])
            return super().verify(hash, password)

    monkeypatch.setattr(people, "_hasher", Counting(time_cost=1, memory_cost=8, parallelism=1))
    for who in (known, invited, None):
        password_fits(who, "a wrong password")
    assert len(verified) == 3
    assert len(set(verified)) == 1  # the same kind of hash, with the same costs
