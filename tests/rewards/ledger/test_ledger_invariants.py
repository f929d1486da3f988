"""The ledger's invariants: over any story that hypothesis thinks of, and with several processes of several threads at once.

SPOKES_LEDGER_STORIES tells more stories than the suite has time for.
"""

import itertools
import os
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from core import db
from core.settings import Settings, configure
from rewards.ledger import ledger
from rewards.ledger.ledger import (
    CachedBalance,
    Entry,
    KeyReused,
    LedgerTransaction,
    Movement,
    Overdraft,
    Posting,
)
from tests.databases import hurry

STORIES = int(os.environ.get("SPOKES_LEDGER_STORIES", "20"))
RESERVE = "x:reserved"
WAYS = st.sampled_from(list(itertools.permutations(("a", "b", RESERVE), 2)))
AMOUNTS = st.one_of(st.integers(1, 3), st.integers(1, 10**12))
POSTED = st.lists(
    st.tuples(WAYS, AMOUNTS, st.sampled_from(["EUR", "JPY", "KWD", "PTS"])), min_size=1, max_size=3
)
ACTS = st.one_of(
    st.tuples(st.just("post"), POSTED),
    st.tuples(st.sampled_from(["replay", "reverse", "reuse"]), st.integers(0, 9)),
)
_chapters = itertools.count(1)
Place = tuple[str, str]


@dataclass
class Story:
    """What should be in the ledger, beside what is; the journal never ends, so each story has accounts of its own."""

    name: str = field(default_factory=lambda: f"story {next(_chapters)}:")
    posted: list[Entry] = field(default_factory=list)
    held: Counter[Place] = field(default_factory=Counter)

    def post(self, moves: list[tuple[tuple[str, str], int, str]]) -> None:
        self._try(tuple(Movement(self.name + a, self.name + b, much, kind) for (a, b), much, kind in moves))

    def replay(self, which: int) -> None:
        if self.posted:
            with db.transaction():
                assert not ledger.post(self.posted[which % len(self.posted)])

    def reuse(self, which: int) -> None:
        if self.posted:
            known = self.posted[which % len(self.posted)]
            other = Movement(self.name + "a", self.name + "z", 1, "EUR")
            with pytest.raises(KeyReused), db.transaction():
                ledger.post(Entry(known.key, "test", "subject", (other,)))

    def reverse(self, which: int) -> None:
        """The opposite of a transaction, naming it."""
        if self.posted:
            first = self.posted[which % len(self.posted)]
            back = tuple(
                Movement(each.destination, each.source, each.amount_minor, each.currency)
                for each in first.movements
            )
            with db.transaction(read_only=True) as session:
                known = select(LedgerTransaction.id).where(LedgerTransaction.key == first.key)
                reversed_id = session.exec(known).one()
            self._try(back, reverses_id=reversed_id)

    def _try(self, movements: tuple[Movement, ...], reverses_id: str | None = None) -> None:
        """Post; a reserve that would be overdrawn refuses the whole, and then nothing of it is there."""
        entry = Entry(f"{self.name}{len(self.posted)}", "test", "subject", movements, reverses_id=reverses_id)
        after = Counter(self.held)
        for each in movements:
            after[each.source, each.currency] -= each.amount_minor
            after[each.destination, each.currency] += each.amount_minor
        if any(amount < 0 for (account, _), amount in after.items() if account == self.name + RESERVE):
            with pytest.raises(Overdraft), db.transaction():
                ledger.post(entry)
            return
        with db.transaction():
            assert ledger.post(entry)
        self.posted.append(entry)
        self.held = after


@settings(max_examples=STORIES, deadline=None, suppress_health_check=list(HealthCheck))
@given(acts=st.lists(ACTS, max_size=9))
def test_over_any_story_the_ledger_is_what_was_posted_once(
    database: str, acts: list[tuple[str, object]]
) -> None:
    story = Story()
    verbs: dict[str, Callable[..., None]] = {
        "post": story.post,
        "replay": story.replay,
        "reverse": story.reverse,
        "reuse": story.reuse,
    }
    for verb, about in acts:
        verbs[verb](about)
    with db.transaction(read_only=True):
        assert _cached(story.name) == {place: amount for place, amount in story.held.items() if amount}
        assert _rebuilt(story.name) == _cached(story.name)
        for currency in ("EUR", "JPY", "KWD", "PTS"):  # nothing comes from nowhere, nothing is lost
            assert sum(amount for (_, kind), amount in story.held.items() if kind == currency) == 0
        assert _moved(story.name) == {each.key: Counter(each.movements) for each in story.posted}
        assert _versions(story.name) == 2 * sum(len(each.movements) for each in story.posted)
        assert ledger.problems() == []


def _cached(name: str) -> dict[Place, int]:
    found = select(CachedBalance).where(col(CachedBalance.account).startswith(name))
    return {
        (each.account, each.currency): each.balance_minor
        for each in db.session().exec(found)
        if each.balance_minor
    }


def _versions(name: str) -> int:
    found = select(CachedBalance.version).where(col(CachedBalance.account).startswith(name))
    return sum(db.session().exec(found))


def _rebuilt(name: str) -> dict[Place, int]:
    """The balances as the journal alone gives them, movement by movement."""
    sums: Counter[Place] = Counter()
    for each in db.session().exec(select(Posting).where(col(Posting.source).startswith(name))):
        sums[each.source, each.currency] -= each.amount_minor
        sums[each.destination, each.currency] += each.amount_minor
    return {place: amount for place, amount in sums.items() if amount}


def _moved(name: str) -> dict[str, Counter[Movement]]:
    """What each transaction moved; each movement takes what it gives, so each sums to nothing in each currency."""
    found: defaultdict[str, Counter[Movement]] = defaultdict(Counter)
    journal = (
        select(LedgerTransaction.key, Posting)
        .join(Posting, col(Posting.transaction_id) == col(LedgerTransaction.id))
        .where(col(LedgerTransaction.key).startswith(name))
    )
    for key, each in db.session().exec(journal):
        found[key][Movement(each.source, each.destination, each.amount_minor, each.currency)] += 1
    return dict(found)


def test_a_reversal_compensates_to_the_unit_and_only_once(settings: Settings) -> None:
    move, back = Movement("a", "b", 1_299, "EUR"), Movement("b", "a", 1_299, "EUR")
    with db.transaction() as session:
        ledger.post(Entry("first", "test", "subject", (move,)))
        first = session.exec(select(LedgerTransaction.id)).one()
        opposite = Entry("first:reversed", "test", "subject", (back,), reverses_id=first)
        assert ledger.post(opposite)
        assert not ledger.post(opposite)
        assert set(ledger.balances(["a", "b"]).values()) == {0}
        assert len(session.exec(select(Posting)).all()) == 2


PROCESSES, THREADS = 2, 4
DUPLICATES, CREDITS, DRAINS, RESERVED = 64, 500, 48, 20


def test_processes_of_threads_at_once_double_nothing_lose_nothing_and_overdraw_nothing(
    settings: Settings,
) -> None:
    with db.transaction():
        ledger.post(Entry("fill", "test", "subject", (Movement("world", RESERVE, RESERVED, "EUR"),)))
    fresh = get_context("spawn")  # as web processes are: nothing of this one's connections
    gate, told = fresh.Barrier(PROCESSES, timeout=60), fresh.Queue()
    running = [
        fresh.Process(target=_work_in_process, args=(number, settings, gate, told))
        for number in range(PROCESSES)
    ]
    for each in running:
        each.start()
    totals = sum((told.get(timeout=60) for _ in running), Counter[str]())
    for each in running:
        each.join(timeout=60)
    assert [each.exitcode for each in running] == [0] * PROCESSES
    assert totals == {"duplicate": 1, "credit": CREDITS, "drain": RESERVED, "refused": DRAINS - RESERVED}
    with db.transaction(read_only=True):
        held = {account: ledger.balance(account, "EUR") for account in ("b", "c", "d", RESERVE)}
        assert held == {"b": 100, "c": CREDITS, "d": RESERVED, RESERVE: 0}
        assert ledger.problems() == []


def _work_in_process(number: int, settings: Settings, gate: Barrier, told: "Queue[Counter[str]]") -> None:
    configure(settings)
    hurry(db.connect(settings.database_url))
    gate.wait()
    with ThreadPoolExecutor(THREADS) as threads:
        works = [threads.submit(_work, number * THREADS + each) for each in range(THREADS)]
        told.put(sum((each.result() for each in works), Counter[str]()))
    db.disconnect()


def _work(number: int) -> Counter[str]:
    """This worker's part of everything; the answer is what was new, and what was refused."""
    workers = PROCESSES * THREADS
    done: Counter[str] = Counter()
    for _ in range(DUPLICATES // workers):
        done["duplicate"] += _posted("the same", "a", "b", 100)
    for each in range(number, CREDITS, workers):
        done["credit"] += _posted(f"credit {each}", "a", "c", 1)
    for each in range(number, DRAINS, workers):
        try:
            done["drain"] += _posted(f"drain {each}", RESERVE, "d", 1)
        except Overdraft:
            done["refused"] += 1
    return done


def _posted(key: str, source: str, goal: str, amount: int) -> bool:
    with db.transaction():
        return ledger.post(Entry(key, "test", "subject", (Movement(source, goal, amount, "EUR"),)))
