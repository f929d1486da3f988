"""Several threads that begin at the same moment: for two senders, two clocks, two clicks on the same button."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

T = TypeVar("T")


def at_once(*works: Callable[[], T]) -> list[T | BaseException]:
    """Run every work in a thread of its own, all released together; an answer or what was raised, in their order."""
    gate = Barrier(len(works), timeout=10)

    def released(work: Callable[[], T]) -> T:
        gate.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as threads:
        running = [threads.submit(released, work) for work in works]
        return [each.exception() or each.result() for each in running]
