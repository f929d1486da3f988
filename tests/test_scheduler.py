"""The clock itself: what must be on time is on time, whatever the other jobs wait for."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

import scheduler
from scheduler import PROMPT, SCHEDULE, THREADS
from tests.factories import Cast

SOON_S = 10


def test_clicks_are_taken_in_and_the_clock_beats_while_every_other_job_hangs(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = threading.Event()
    hanging = threading.Semaphore(0)
    ran = {name: threading.Semaphore(0) for name in PROMPT}

    def hang() -> int:
        hanging.release()
        outside.wait(3 * SOON_S)
        return 0

    def note(name: str) -> Callable[[], int]:
        def work() -> int:
            ran[name].release()
            return 0

        return work

    jobs = [
        replace(job, every_s=0.2, work=note(job.name) if job.name in PROMPT else hang) for job in SCHEDULE
    ]
    monkeypatch.setattr(scheduler, "SCHEDULE", tuple(jobs))
    clock = scheduler.start()
    try:
        assert all(hanging.acquire(timeout=SOON_S) for _ in range(THREADS))
        until = time.monotonic() + SOON_S
        for each in ran.values():
            assert all(each.acquire(timeout=max(0, until - time.monotonic())) for _ in range(4))
    finally:
        outside.set()
        clock.shutdown(wait=True)
