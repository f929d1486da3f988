import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError, IntegrityError

from core.db import session, transaction
from core.settings import Settings
from rewards.ledger import ledger
from rewards.ledger.ledger import Entry, KeyReused, Movement, Overdraft


@pytest.fixture(autouse=True)
def _database(settings: Settings) -> None:
    return


def entry(key: str, amount: int = 100, source: str = "a", goal: str = "b", currency: str = "EUR") -> Entry:
    return Entry(key, "test", "subject", (Movement(source, goal, amount, currency),))


def test_a_posting_moves_an_amount_and_the_sum_over_all_accounts_stays_nothing() -> None:
    with transaction():
        assert ledger.post(entry("1"))
        assert (ledger.balance("a", "EUR"), ledger.balance("b", "EUR")) == (-100, 100)
        assert sum(ledger.journal_balances().values()) == 0
        assert ledger.problems() == []


def test_a_replay_changes_nothing_and_another_thing_under_the_same_key_is_refused() -> None:
    with transaction():
        ledger.post(entry("1"))
    with transaction():
        assert not ledger.post(entry("1"))
        assert ledger.balance("b", "EUR") == 100
        with pytest.raises(KeyReused):
            ledger.post(entry("1", amount=101))


def test_currencies_are_never_netted() -> None:
    with transaction():
        ledger.post(entry("1", currency="EUR"))
        ledger.post(entry("2", currency="JPY", amount=7))
        assert ledger.balances(["b"]) == {("b", "EUR"): 100, ("b", "JPY"): 7}


def test_a_thousand_times_one_unit_is_a_thousand() -> None:
    with transaction():
        assert ledger.post_all([entry(f"{n}", amount=1) for n in range(1_000)]) == 1_000
        assert ledger.balance("b", "EUR") == 1_000
        assert ledger.problems() == []


def test_a_reserve_cannot_be_overdrawn() -> None:
    with transaction():
        ledger.post(entry("1", goal="x:reserved", amount=100))
        with pytest.raises(Overdraft):
            ledger.post(entry("2", source="x:reserved", goal="b", amount=101))
    with transaction():
        ledger.post(entry("3", source="x:reserved", goal="b", amount=100))
        assert ledger.balance("x:reserved", "EUR") == 0


def test_the_database_too_refuses_a_reserve_below_nothing() -> None:
    with transaction():
        ledger.post(entry("1", goal="x:reserved", amount=100))
    with pytest.raises(IntegrityError), transaction():
        session().execute(text("UPDATE ledger_balance SET balance_minor = -1 WHERE account LIKE 'x%'"))
    with transaction():  # other accounts may
        session().execute(text("UPDATE ledger_balance SET balance_minor = -1 WHERE account = 'a'"))


@pytest.mark.parametrize(
    "movement", [Movement("a", "b", 0, "EUR"), Movement("a", "b", -1, "EUR"), Movement("a", "a", 1, "EUR")]
)
def test_the_database_refuses_postings_that_move_nothing(movement: Movement) -> None:
    with pytest.raises(IntegrityError), transaction():
        ledger.post(Entry("1", "test", "subject", (movement,)))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE posting SET amount_minor = 1",
        "DELETE FROM posting",
        "UPDATE ledger_transaction SET kind = 'x'",
        "DELETE FROM ledger_transaction",
    ],
)
def test_the_database_refuses_to_change_the_journal(statement: str) -> None:
    with transaction():
        ledger.post(entry("1"))
    with pytest.raises(DatabaseError, match="never change"), transaction():
        session().execute(text(statement))


def test_a_cached_balance_that_was_tampered_with_is_found_and_named() -> None:
    with transaction():
        ledger.post(entry("1"))
        session().execute(text("UPDATE ledger_balance SET balance_minor = 99 WHERE account = 'b'"))
        assert ledger.problems() == ["account b in EUR: the journal says 100, the balance 99"]


def in_threads(count: int, work: object) -> None:
    threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]  # type: ignore[arg-type]  # a function of one number
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_64_duplicates_at_once_are_one() -> None:
    def work(_n: int) -> None:
        with transaction():
            ledger.post(entry("the same"))

    in_threads(64, work)
    with transaction():
        assert ledger.balance("b", "EUR") == 100
        assert ledger.problems() == []


def test_500_credits_at_once_lose_none() -> None:
    def work(n: int) -> None:
        for m in range(25):
            with transaction():
                ledger.post(entry(f"{n}-{m}", amount=1))

    in_threads(20, work)
    with transaction():
        assert ledger.balance("b", "EUR") == 500
        assert ledger.problems() == []


def test_draining_at_once_never_goes_below_nothing() -> None:
    with transaction():
        ledger.post(entry("fill", goal="x:reserved", amount=10))
    taken: list[int] = []

    def work(n: int) -> None:
        try:
            with transaction():
                ledger.post(entry(f"{n}", source="x:reserved", goal="b", amount=1))
            taken.append(n)
        except Overdraft:
            pass

    in_threads(20, work)
    with transaction():
        assert (len(taken), ledger.balance("x:reserved", "EUR")) == (10, 0)
        assert ledger.problems() == []
