"""Events, refusals and rights: what the packages speak to each other with."""

from dataclasses import dataclass

import pytest
from sqlmodel import select

from core import events
from core.access import Actor, authorize, authorize_anywhere
from core.db import session, transaction
from core.errors import Conflict, Forbidden, NotFound, TooManyAttempts
from core.people import Person, register


@dataclass(frozen=True)
class Happened:
    what: str


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_reactions", type(events._reactions)(list))  # noqa: SLF001 - put back afterwards


def test_reactions_run_at_once_in_their_order_and_only_for_their_kind() -> None:
    seen: list[str] = []
    events.when(Happened, lambda event: seen.append(f"first {event.what}"))
    events.when(Happened, lambda event: seen.append(f"second {event.what}"))
    events.publish(Happened("this"))
    events.publish("something else")
    assert seen == ["first this", "second this"]


def test_registering_a_reaction_twice_runs_it_once() -> None:
    seen: list[Happened] = []
    for _ in range(2):
        events.when(Happened, seen.append)
    events.publish(Happened("this"))
    assert seen == [Happened("this")]


def test_reaction_that_fails_undoes_the_act(database: str) -> None:
    def fails(_event: Happened) -> None:
        raise Conflict

    events.when(Happened, fails)

    def act() -> None:
        register("ana@example.org", "Ana")
        events.publish(Happened("this"))

    with pytest.raises(Conflict), transaction():
        act()
    with transaction(read_only=True):
        assert session().exec(select(Person)).all() == []


def test_refusal_reads_like_its_docstring_unless_a_sentence_is_given() -> None:
    assert Conflict().sentence == "This was already done, or something changed in the meantime."
    assert str(Conflict("Taken.", details={"by": "Ben"})) == "Taken."
    assert Conflict("Taken.", details={"by": "Ben"}).details == {"by": "Ben"}
    assert TooManyAttempts(retry_after_s=5).sentence.startswith("Too many attempts")


MARA = Actor(
    "person",
    "p",
    "Mara",
    {"reward.see": frozenset({"north", "south"}), "reward.approve": frozenset({"north"})},
)


def test_authorize_lets_in_refuses_within_and_hides_outside() -> None:
    authorize(MARA, "reward.approve", "north")
    with pytest.raises(Forbidden):
        authorize(MARA, "reward.approve", "south")
    with pytest.raises(NotFound):
        authorize(MARA, "reward.approve", "west")
    with pytest.raises(NotFound):
        authorize(Actor("person", "q", "Nobody"), "reward.see", "north")


def test_authorize_anywhere_needs_one_unit() -> None:
    authorize_anywhere(MARA, "reward.approve")
    for action in ("payout.run", "reward", ""):
        with pytest.raises(Forbidden):
            authorize_anywhere(MARA, action)


def test_actor_answers_for_queries() -> None:
    assert MARA.units_for("reward.see") == {"north", "south"}
    assert MARA.units_for("payout.run") == frozenset()
    assert MARA.sees == {"north", "south"}
    assert (MARA.person_id, Actor("key", "k", "Shop").person_id) == ("p", None)
    assert Actor("person", "q", "Nobody").sees == frozenset()
