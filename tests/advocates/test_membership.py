"""Membership: dates decide, and two at once leave one truth."""

from datetime import UTC, datetime

from sqlmodel import select

from advocates.membership import (
    Membership,
    State,
    active_at,
    change_standing,
    current_standing,
    current_term,
    get_membership,
    months_later,
)
from core.access import COMMAND
from core.clock import now
from core.db import session, transaction
from hub.programmes import Programme
from tests.at_once import at_once
from tests.factories import Cast, make_advocate


def test_a_year_after_29_february_is_28_february() -> None:
    assert months_later(datetime(2028, 2, 29, tzinfo=UTC), 12) == datetime(2029, 2, 28, tzinfo=UTC)


def test_a_member_is_active_from_the_first_moment_of_the_term_and_not_at_its_end(cast: Cast) -> None:
    with transaction():
        member = make_advocate(cast.programme)
        term = current_term(member.id)
        assert active_at(member.id, term.starts_at)
        assert not active_at(member.id, term.ends_at)


def test_leave_pauses_from_its_moment_on_and_changes_nothing_before(cast: Cast) -> None:
    with transaction():
        member = make_advocate(cast.programme)
    before = now()
    with transaction():
        change_standing(get_membership(member.id), "leave", by=COMMAND, reason="a rest")
        assert active_at(member.id, before)
        assert not active_at(member.id, now())


def test_two_changes_at_once_leave_one_standing(cast: Cast) -> None:
    with transaction():
        member = make_advocate(cast.programme)

    def change(state: State) -> None:
        with transaction():
            change_standing(get_membership(member.id), state, by=COMMAND, reason="at once")

    at_once(lambda: change("leave"), lambda: change("alumni"))
    with transaction(read_only=True):
        assert current_standing(member.id).state in {"leave", "alumni"}


def test_numbers_are_given_once_each_to_everybody_at_once(cast: Cast) -> None:
    def join(name: str) -> None:
        with transaction():
            make_advocate(session().get_one(Programme, cast.programme.id), name)

    answers = at_once(*(lambda name=f"Member {place}": join(name) for place in range(6)))
    assert [each for each in answers if isinstance(each, Exception)] == []
    with transaction(read_only=True):
        assert sorted(session().exec(select(Membership.number)).all()) == [1, 2, 3, 4, 5, 6]
