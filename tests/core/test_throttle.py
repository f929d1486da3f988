"""Tries are counted over all workers, per name and window."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import select

from core.clock import at, now
from core.db import session, transaction
from core.errors import TooManyAttempts
from core.throttle import Tries, count, forget_old, give_back, masked
from tests.at_once import at_once

pytestmark = pytest.mark.usefixtures("settings")
NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def attempt(name: str = "signin:ana", most: int = 3) -> str:
    with transaction():
        count(name, most=most, window_s=900)
    return "counted"


def test_the_try_after_the_last_is_refused_until_the_window_ends() -> None:
    with at(NOON + timedelta(minutes=5)):
        for _ in range(3):
            attempt()
        for _ in range(2):
            with pytest.raises(TooManyAttempts) as refused:
                attempt()
            assert (refused.value.status, refused.value.retry_after_s) == (429, 600)
        assert attempt("signin:ben") == "counted"
    with at(NOON + timedelta(minutes=15)):
        assert attempt() == "counted"


def test_tries_at_once_are_all_counted() -> None:
    def one_try() -> str:
        return attempt(most=5)

    answers = at_once(*[one_try] * 12)  # by the real clock: in one window, or around the border of two
    allowed = [each for each in answers if each == "counted"]
    refused = [each for each in answers if isinstance(each, TooManyAttempts)]
    assert len(allowed) + len(refused) == 12
    assert 5 <= len(allowed) <= 10


def test_a_try_that_was_none_is_given_back_and_no_more_than_there_are() -> None:
    with at(NOON):
        for _ in range(3):
            attempt()
        for _ in range(5):
            with transaction():
                give_back("signin:ana", window_s=900)
        for _ in range(3):
            attempt()
        with pytest.raises(TooManyAttempts):
            attempt()


def test_long_names_are_cut_so_that_they_cannot_fill_the_table() -> None:
    attempt("signin:" + "x" * 5_000)
    with transaction(read_only=True):
        assert len(session().exec(select(Tries.name)).one()) == 200


def test_old_windows_are_forgotten_and_new_ones_kept() -> None:
    with at(now() - timedelta(days=2)):
        attempt("old")
    attempt("new")
    with transaction():
        assert forget_old() == 1
        assert forget_old() == 0
    with transaction(read_only=True):
        assert session().exec(select(Tries.name)).all() == ["new"]


def test_address_is_counted_under_a_name_that_cannot_be_read_back() -> None:
    assert masked("192.0.2.7") == masked("192.0.2.7") != masked("192.0.2.8")
    assert "192" not in masked("192.0.2.7")
    assert masked(None) == masked("")
