"""Jobs leave a trace: when, how long, how much, and what went wrong."""

from datetime import UTC, datetime

import pytest
from sqlmodel import select

from core import jobs
from core.clock import at
from core.db import session, transaction
from core.jobs import Job, JobTrace, run_once

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def nothing_noted_yet(settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_noted", {})


def trace() -> JobTrace:
    with transaction(read_only=True):
        return session().exec(select(JobTrace)).one()


def job(did: int) -> Job:
    return Job("sweep", 5, lambda: did, "sweeps")


def test_run_answers_and_notes_how_much_it_did() -> None:
    with at(NOON):
        assert run_once(job(7)) == 7
    assert (trace().name, trace().ran_at, trace().did, trace().failed_at) == ("sweep", NOON, 7, None)


def test_idle_runs_keep_what_the_last_busy_one_did_and_are_noted_now_and_then() -> None:
    run_once(job(7))
    first = trace().ran_at
    assert run_once(job(0)) == 0
    assert (trace().ran_at, trace().did) == (first, 7)


def test_what_a_job_raises_is_noted_and_raised_on() -> None:
    def fails() -> int:
        with transaction():
            session().add(JobTrace(name="half", ran_at=NOON))
            session().flush()
            raise OSError("no space left on device" * 100)

    with at(NOON), pytest.raises(OSError, match="no space"):
        run_once(Job("sweep", 5, fails, "sweeps"))
    noted = trace()
    assert (noted.name, noted.failed_at, len(noted.error)) == ("sweep", NOON, 1000)
    run_once(job(3))
    assert (trace().did, trace().failed_at) == (3, NOON), "the failure stays on record"


def test_job_that_is_stopped_is_noted_too() -> None:
    def stopped() -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_once(Job("sweep", 5, stopped, "sweeps"))
    assert trace().error.startswith("KeyboardInterrupt")
