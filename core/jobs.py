"""Jobs: plain functions that look at the table now, safe to run twice at once; each run leaves its trace."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import Text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Field, SQLModel

from core.clock import now
from core.columns import moment
from core.db import session, transaction
from core.errors import NotFound, SpokesError

log = structlog.get_logger()
NOTED_EVERY_S = 10
RETRIED = (SpokesError, SQLAlchemyError, OSError)
"""what a job may meet and simply be run again after: a refusal, the database or the disk away"""


@dataclass(frozen=True)
class Job:
    """A line of the schedule: `work` runs every `every_s` seconds and answers how much it did."""

    name: str
    every_s: float
    work: Callable[[], int]
    says: str


class JobTrace(SQLModel, table=True):
    """How a job went last."""

    __tablename__ = "job_trace"

    name: str = Field(primary_key=True, sa_type=Text)
    ran_at: datetime = moment()
    duration_ms: int = 0
    did: int = 0
    """how much the last run that did anything did"""
    failed_at: datetime | None = moment(optional=True)
    error: str = Field(default="", sa_type=Text)


class UnknownJob(NotFound):
    """There is no job of that name."""


def run_once(job: Job) -> int:
    """Run a job now and note how it went; what it raises goes on to the caller."""
    began, began_at = time.monotonic(), now()
    try:
        did = job.work()
    except BaseException as error:
        _note(job.name, began_at, began, error=f"{type(error).__name__}: {error}")
        raise
    _note_quietly(job.name, began_at, began, did)
    return did


_noted: dict[str, float] = {}


def _note_quietly(name: str, at: datetime, began: float, did: int) -> None:
    """Note a run that did something, and idle ones every 10 s: the trace must not outweigh the work."""
    if did or time.monotonic() - _noted.get(name, -NOTED_EVERY_S) >= NOTED_EVERY_S:
        _noted[name] = time.monotonic()
        _note(name, at, began, did=did)


def _note(name: str, at: datetime, began: float, *, did: int = 0, error: str = "") -> None:
    with transaction():
        trace = session().get(JobTrace, name) or JobTrace(name=name, ran_at=at)
        trace.ran_at, trace.duration_ms = at, int((time.monotonic() - began) * 1000)
        trace.did = did or trace.did
        if error:
            trace.failed_at, trace.error = at, error[:1000]
        session().add(trace)
