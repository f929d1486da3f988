"""Several threads that begin at the same moment: for two senders, two clocks, two clicks on the same button."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Barrier
from typing import TypeVar

from core.db import transaction

T = TypeVar("T")
LONG_ENOUGH_S = 0.7
"""for a transaction that need not wait to be over"""


def at_once(*works: Callable[[], T]) -> list[T | BaseException]:
    """Run every work in a thread of its own, all released together; an answer or what was raised, in their order."""
    gate = Barrier(len(works), timeout=10)

    def released(work: Callable[[], T]) -> T:
        gate.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as threads:
        running = [threads.submit(released, work) for work in works]
        return [each.exception() or each.result() for each in running]


def while_open(
    first: Callable[[], object], second: Callable[[], T], then: Callable[[], object] = lambda: None
) -> T | BaseException:
    """Begin `second`, which opens transactions of its own, when `first` has done its work and not committed yet.

    `then` is what is done before that commit. What waits for a row or lock of the first goes on after it, what does not
    is over before. Answers as at_once.
    """
    with ThreadPoolExecutor(1) as thread:
        with transaction():
            first()
            running = thread.submit(second)
            wait([running], timeout=LONG_ENOUGH_S)
            then()
        return running.exception() or running.result()
