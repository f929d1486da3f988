"""Transactions: one at a time, all or nothing, and reading cannot write."""

from contextlib import suppress
from functools import partial
from threading import Barrier, BrokenBarrierError

import pytest
from psycopg.errors import DeadlockDetected, UniqueViolation
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlmodel import col, select

from core import db
from core.clock import now
from core.db import again_after_deadlock, fresh_look, in_transaction, run, session, transaction, update_one
from core.people import Person, register
from core.signin import SignInSession
from tests.at_once import at_once


def names() -> list[str]:
    with transaction(read_only=True):
        return sorted(session().exec(select(Person.name)).all())


def test_what_a_transaction_wrote_is_there_afterwards(database: str) -> None:
    with transaction():
        register("ana@example.org", "Ana")
    assert names() == ["Ana"]


def test_what_raises_leaves_no_row_and_is_raised_on(database: str) -> None:
    def act() -> None:
        register("ana@example.org", "Ana")
        raise RuntimeError("thought better of it")

    with pytest.raises(RuntimeError, match="thought better of it"), transaction():
        act()
    assert names() == []
    assert not in_transaction()


def test_second_row_that_breaks_a_constraint_takes_the_first_with_it(database: str) -> None:
    with pytest.raises(IntegrityError), transaction():
        session().add_all(
            [Person(email="a@example.org", name="One"), Person(email="a@example.org", name="Two")]
        )
    assert names() == []


def test_read_only_transaction_is_refused_by_the_database_itself(database: str) -> None:
    with pytest.raises(DBAPIError), transaction(read_only=True):
        register("ana@example.org", "Ana")
    with pytest.raises(DBAPIError), transaction(read_only=True):
        run(text("DELETE FROM person"))
    assert names() == []


def test_what_a_read_only_transaction_reads_is_of_one_moment(database: str) -> None:
    def come() -> None:
        with transaction():
            register("ben@example.org", "Ben")

    with transaction(read_only=True) as reading:
        before = reading.exec(select(Person.name)).all()
        assert at_once(come) == [None]
        assert reading.exec(select(Person.name)).all() == before
    assert names() == ["Ben"]


def test_read_only_mode_does_not_stick_to_the_connection(database: str) -> None:
    for turn in range(3):
        assert len(names()) == turn
        with transaction():
            register(f"{turn}@example.org", str(turn))
    assert names() == ["0", "1", "2"]


def test_transaction_inside_a_transaction_is_refused_and_the_outer_one_goes_on(database: str) -> None:
    with transaction():
        with pytest.raises(RuntimeError, match="already open"), transaction():
            pass
        with pytest.raises(RuntimeError, match="already open"), transaction(read_only=True):
            pass
        register("ana@example.org", "Ana")
    assert names() == ["Ana"]


def test_session_outside_a_transaction_says_who_opens_one(database: str) -> None:
    with pytest.raises(RuntimeError, match="the edge opens one"):
        session()


def test_without_a_database_the_reason_is_said() -> None:
    db.disconnect()
    with pytest.raises(RuntimeError, match=r"connect\(\) was not called"):
        db.engine()


def test_rows_stay_readable_after_their_transaction(database: str) -> None:
    with transaction():
        person = register("ana@example.org", "Ana")
    assert person.name == "Ana"


def test_before_commit_hook_writes_in_the_same_transaction_and_its_failure_undoes_it(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[bool] = []

    def hook() -> None:
        ran.append(in_transaction())
        if len(ran) > 1:
            raise RuntimeError("the hook failed")

    monkeypatch.setattr(db, "_before_commit", [])
    assert db.before_commit(hook) is hook
    with transaction():
        register("ana@example.org", "Ana")
    with pytest.raises(RuntimeError, match="the hook failed"), transaction():
        register("ben@example.org", "Ben")
    with transaction(read_only=True):
        pass
    assert ran == [True, True], "and it does not run where nothing can be written"
    assert names() == ["Ana"]


def test_hook_that_was_registered_last_runs_first(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr(db, "_before_commit", [])
    for name in ("the audit log", "another"):
        db.before_commit(lambda name=name: ran.append(name))  # type: ignore[misc]  # the loop's variable, kept
    with transaction():
        pass
    assert ran == ["another", "the audit log"]


def test_fresh_look_sees_what_was_changed_past_the_session_and_commits_nothing(database: str) -> None:
    def act() -> None:
        known = register("ana@example.org", "Ana")
        stale = update(Person).values(name="Cleo").execution_options(synchronize_session=False)
        run(stale)
        assert known.name == "Ana"
        with fresh_look() as looking:
            assert looking is session()
            assert session().exec(select(Person.name)).all() == ["Cleo"]
        assert session().get_one(Person, known.id) is known
        raise KeyError

    with pytest.raises(KeyError), transaction():
        act()
    assert names() == []


def test_hook_does_not_run_when_the_block_raised(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr(db, "_before_commit", [lambda: ran.append("ran")])
    with pytest.raises(KeyError), transaction():
        raise KeyError
    assert ran == []


def test_update_one_is_true_for_exactly_one_row(database: str) -> None:
    with transaction():
        for name in ("Ana", "Ben"):
            register(f"{name}@example.org", name)
        rename = update(Person).values(name="Cleo")
        assert not update_one(rename.where(col(Person.name) == "Nobody"))
        assert update_one(rename.where(col(Person.name) == "Ana"))
        assert not update_one(rename)


def test_of_many_claims_at_once_one_succeeds(database: str) -> None:
    with transaction():
        person_id = register("ana@example.org", "Ana").id

    def claim() -> bool:
        with transaction():
            free = update(Person).where(col(Person.id) == person_id, col(Person.locale) == "en")
            return update_one(free.values(locale="de"))

    assert sorted(at_once(*[claim] * 6)) == [False] * 5 + [True]  # type: ignore[type-var]  # all of them bool


def test_foreign_keys_are_enforced(database: str) -> None:
    with pytest.raises(IntegrityError), transaction():
        session().add(SignInSession(secret_hash="h", person_id="nobody", expires_at=now()))


def test_failing_commit_leaves_nothing_behind_and_nothing_open(database: str) -> None:
    with transaction():
        run(text("CREATE TABLE late (person_id TEXT REFERENCES person (id) DEFERRABLE INITIALLY DEFERRED)"))
    for _ in range(3):
        with pytest.raises(IntegrityError), transaction():
            run(text("INSERT INTO late (person_id) VALUES ('nobody')"))
        with transaction():
            assert session().execute(text("SELECT count(*) FROM late")).scalar_one() == 0
    with transaction():
        run(text("DROP TABLE late"))


def test_dialect_is_the_one_of_the_address(database: str) -> None:
    assert database.startswith(db.dialect())


def test_what_was_broken_off_to_end_a_deadlock_is_run_again(database: str) -> None:
    with transaction():
        register("ana@example.org", "Ana")
        register("ben@example.org", "Ben")
    inside, postgresql = Barrier(2), db.dialect() == "postgresql"
    runs: list[str] = []

    def rename(*people: str) -> None:
        with transaction():
            runs.append(people[0])
            for each in people:
                run(update(Person).where(col(Person.email) == each).values(name=f"{each} after {people[0]}"))
                if len(runs) <= 2:  # the first time
                    with suppress(BrokenBarrierError):
                        inside.wait(20 if postgresql else 1)  # on SQLite nobody comes in between

    ana, ben = "ana@example.org", "ben@example.org"
    both = [partial(again_after_deadlock, partial(rename, *each)) for each in ((ana, ben), (ben, ana))]
    assert at_once(*both) == [None, None]
    assert len({each.partition(" after ")[2] for each in names()}) == 1
    # PostgreSQL ends the wait of one of them, or of both where both looked at the same moment.
    assert len(runs) in ({3, 4} if postgresql else {2})


def test_what_fails_otherwise_or_again_and_again_is_not_run_again(database: str) -> None:
    runs: list[str] = []

    def fails(error: Exception) -> None:
        runs.append(str(error))
        raise error

    broken_off = OperationalError("UPDATE", {}, DeadlockDetected())
    for error, times in (
        (IntegrityError("INSERT", {}, UniqueViolation()), 1),
        (broken_off, 3),
        (ValueError(), 1),
    ):
        runs.clear()
        with pytest.raises(type(error)):
            again_after_deadlock(partial(fails, error))
        assert len(runs) == times


def test_a_proof_may_take_its_time_and_only_in_its_transaction(database: str) -> None:
    if db.dialect() != "postgresql":
        with db.transaction(read_only=True):
            db.take_your_time()  # SQLite has no such end
        return
    shown = text("SHOW statement_timeout")
    with db.transaction(read_only=True) as session:
        assert session.execute(shown).scalar_one() == "30s"
        db.take_your_time()
        assert session.execute(shown).scalar_one() == "0"
    with db.transaction(read_only=True) as session:
        assert session.execute(shown).scalar_one() == "30s"
