"""The audit log: written with the act, chained, and whatever is changed afterwards is found."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import delete, update
from sqlmodel import col, select

from core import audit, db
from core.access import CLOCK, COMMAND, Actor
from core.audit import GENESIS, AuditEntry, AuditHead, broken_links, record
from core.clock import at
from core.db import run, session, transaction
from core.people import Person, register
from tests.at_once import at_once

pytestmark = pytest.mark.usefixtures("settings")


def noted(*actions: str, **details: object) -> None:
    with transaction():
        for action in actions:
            record(COMMAND, action, "thing", action, unit_id="u", details=dict(details))


def log() -> list[AuditEntry]:
    with transaction(read_only=True):
        return list(session().exec(select(AuditEntry).order_by(col(AuditEntry.seq))).all())


def broken() -> list[int]:
    with transaction(read_only=True):
        return list(broken_links())


def test_entry_says_who_did_what_to_what_and_when() -> None:
    moment = datetime(2026, 4, 1, 9, 30, tzinfo=UTC)
    with at(moment), transaction():
        record(
            Actor("person", "p1", "Mara"),
            "reward.approved",
            "reward",
            "r1",
            unit_id="u1",
            details={"amount": [1, 2]},
        )
    [entry] = log()
    assert (entry.seq, entry.at, entry.actor_kind, entry.actor_id, entry.actor_name) == (
        1,
        moment,
        "person",
        "p1",
        "Mara",
    )
    assert (entry.action, entry.object_kind, entry.object_id, entry.unit_id) == (
        "reward.approved",
        "reward",
        "r1",
        "u1",
    )
    assert (entry.details, entry.previous_hash) == ({"amount": [1, 2]}, GENESIS)


def test_chain_runs_through_transactions_without_gaps() -> None:
    noted("one", "two")
    with transaction():
        pass
    noted("three")
    entries = log()
    assert [each.seq for each in entries] == [1, 2, 3]
    assert [each.previous_hash for each in entries] == [GENESIS, entries[0].hash, entries[1].hash]
    assert broken() == []


def test_undone_act_is_not_on_record() -> None:
    def act() -> None:
        record(CLOCK, "thing.done", "thing", "t")
        raise KeyError

    with pytest.raises(KeyError), transaction():
        act()
    noted("after")
    assert [each.action for each in log()] == ["after"]
    assert broken() == []


def test_empty_log_is_whole() -> None:
    assert broken() == []


@pytest.mark.parametrize(
    "details",
    [{}, {"reason": "Zoë „fein“ 李 \U0001f600"}, {"before": None, "after": 1.5, "yes": True}, {"nested": {"b": [1, {"a": 2}], "a": ""}},
     {"tuple": ("a", "b")}],
)  # fmt: skip
def test_details_of_any_kind_hash_the_same_after_they_were_stored(details: dict[Any, Any]) -> None:
    with transaction():
        record(COMMAND, "thing.changed", "thing", "t", details=details)
    assert broken() == []


@pytest.mark.parametrize(
    "change",
    [{"details": {"amount": 9}}, {"actor_id": "x"}, {"actor_name": "x"}, {"actor_kind": "key"}, {"action": "x"}, {"object_id": "x"},
     {"object_kind": "x"}, {"unit_id": None}, {"at": datetime(2020, 1, 1, tzinfo=UTC)}, {"hash": GENESIS}, {"previous_hash": GENESIS}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_changed_entry_is_found(change: dict[str, object]) -> None:
    noted("one", "two", "three", amount=5)
    with transaction():
        run(update(AuditEntry).where(col(AuditEntry.seq) == 2).values(**change))
    assert 2 in broken()


def test_missing_added_and_cut_off_entries_are_found() -> None:
    noted("one", "two", "three")
    with transaction():
        run(delete(AuditEntry).where(col(AuditEntry.seq) == 2))
    assert broken() == [3]
    with transaction():
        run(delete(AuditEntry).where(col(AuditEntry.seq) > 1))
    assert broken() == [2], "the head knows that there was more"


def test_entry_slipped_in_behind_the_end_is_found() -> None:
    noted("one")
    [last] = log()
    with transaction():
        copy = last.model_dump() | {"seq": 2, "previous_hash": last.hash}
        session().add(AuditEntry(**copy))
    assert 2 in broken()


@pytest.mark.parametrize("before", [0, 1], ids=["the very first ones", "later ones"])
def test_acts_at_once_make_one_chain_and_none_is_lost(before: int) -> None:
    noted(*["earlier"] * before)

    def act() -> None:
        for _ in range(3):
            noted("one", "two")

    assert at_once(*[act] * 4) == [None] * 4
    assert [each.seq for each in log()] == list(range(1, before + 25))
    assert broken() == []


def test_record_and_act_are_one() -> None:
    with transaction():
        register("ana@example.org", "Ana")
        record(COMMAND, "person.made", "person", "ana")
    with transaction(read_only=True):
        assert len(session().exec(select(Person)).all()) == len(session().exec(select(AuditEntry)).all()) == 1
        head = session().get_one(AuditHead, 1)
        assert (head.seq, head.hash) == (1, session().exec(select(AuditEntry.hash)).one())


def test_the_log_which_everybody_waits_for_is_written_after_all_else() -> None:
    assert db._before_commit[-1] is audit.write_queue  # noqa: SLF001 - the order is the question
