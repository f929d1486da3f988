"""The action list: each thing once, for whoever may do it, most urgent first, gone when done."""

from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from core.access import CLOCK, Actor
from core.clock import now
from core.db import session, transaction
from core.people import Person
from hub.actions import Action, ask, counts_for, done, due_in, finish, waiting_for
from tests.factories import Cast, acting


def put(
    cast: Cast,
    subject: str,
    *,
    unit: str = "north",
    kind: str = "reward.approve",
    days: float = 3,
    person: Person | None = None,
) -> None:
    with transaction():
        unit_id = {"north": cast.north.id, "south": cast.south.id}[unit]
        ask(
            kind,
            subject,
            unit_id,
            right=kind,
            summary=f"Look at {subject}",
            due_at=due_in(days),
            person_id=person.id if person else None,
        )


def listed(person: Person, kind: str | None = None) -> list[str]:
    with transaction(read_only=True):
        return [each.subject_id for each in waiting_for(acting(person), kind=kind).items]


def test_it_waits_for_whoever_may_do_it_in_its_unit_and_for_nobody_else(cast: Cast) -> None:
    put(cast, "r1")
    assert [listed(who) for who in (cast.manager, cast.hub_admin)] == [["r1"], ["r1"]]
    assert [listed(who) for who in (cast.other_manager, cast.finance, cast.marketing, cast.stranger)] == [
        [],
        [],
        [],
        [],
    ]


def test_what_waits_for_one_person_shows_to_nobody_else(cast: Cast) -> None:
    put(cast, "r1", person=cast.manager)
    put(cast, "r2", person=cast.stranger)
    assert [listed(who) for who in (cast.manager, cast.hub_admin, cast.stranger)] == [["r1"], [], ["r2"]]


def test_the_most_urgent_comes_first_and_kinds_are_counted(cast: Cast) -> None:
    for subject, days in [("later", 9.0), ("overdue", -2.0), ("soon", 1.0)]:
        put(cast, subject, days=days)
    put(cast, "application", kind="application.review", days=5)
    assert listed(cast.manager) == ["overdue", "soon", "application", "later"]
    assert listed(cast.manager, "application.review") == ["application"]
    with transaction(read_only=True):
        assert counts_for(acting(cast.manager)) == {"reward.approve": 3, "application.review": 1}
        assert counts_for(acting(cast.stranger)) == {}


def test_asking_again_changes_nothing_while_it_is_open(cast: Cast) -> None:
    put(cast, "r1", days=1)
    put(cast, "r1", days=9)
    with transaction(read_only=True):
        [action] = session().exec(select(Action)).all()
        assert action.due_at < now() + timedelta(days=2)


def test_the_database_itself_keeps_open_ones_single(cast: Cast) -> None:
    put(cast, "r1")
    with transaction(read_only=True):
        copy = session().exec(select(Action)).one().model_dump(exclude={"id"})
    with pytest.raises(IntegrityError), transaction():
        session().add(Action(**copy))


def test_done_takes_it_off_says_by_whom_and_it_can_be_asked_again(cast: Cast) -> None:
    put(cast, "r1")
    with transaction():
        done("reward.approve", "r1", by=acting(cast.manager))
        done("reward.approve", "r1", by=CLOCK)
        done("reward.approve", "never asked", by=CLOCK)
    assert listed(cast.manager) == []
    with transaction(read_only=True):
        assert session().exec(select(Action.done_by)).all() == [cast.manager.id]
    put(cast, "r1")
    assert listed(cast.manager) == ["r1"]


def test_many_are_finished_at_once_and_other_kinds_stay(cast: Cast) -> None:
    for number in range(5):
        put(cast, str(number))
    put(cast, "1", kind="application.review")
    with transaction():
        finish("reward.approve", [str(number) for number in range(4)], by=CLOCK)
        finish("reward.approve", [], by=CLOCK)
    assert sorted(listed(cast.manager)) == ["1", "4"]


def test_list_goes_on_over_pages(cast: Cast) -> None:
    for number in range(7):
        put(cast, str(number), days=number)
    found: list[str] = []
    after = None
    with transaction(read_only=True):
        for _ in range(4):
            page = waiting_for(acting(cast.manager), after=after, limit=2)
            found += [each.subject_id for each in page.items]
            after = page.next
    assert found == [str(number) for number in range(7)]
    assert after is None


def test_somebody_without_rights_sees_an_empty_list(cast: Cast) -> None:
    put(cast, "r1")
    with transaction(read_only=True):
        assert waiting_for(Actor("key", "k", "Shop")).items == []
