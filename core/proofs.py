"""What the nightly proof of the books found, a row a day."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import Field, SQLModel, col, select

from core.clock import now
from core.columns import moment
from core.db import dialect, run, session, update_one

LEASE = timedelta(hours=2)
MOST_SENTENCES = 20
"""of a promise that are kept; how many there were is kept as well"""


class Proof(SQLModel, table=True):
    """One night's proof; without `ended_at` it is under way until `due_at`."""

    __tablename__ = "proof"

    day: str = Field(primary_key=True, sa_type=Text)
    """UTC, 2026-11-26"""
    due_at: datetime = moment()
    ended_at: datetime | None = moment(optional=True)
    broken: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    """promise, count and the first sentences of what breaks it; none is the proof"""


def claim_today() -> str | None:
    """Take today's proof; None when it is done, or another clock does it."""
    day, insert = f"{now():%Y-%m-%d}", pg_insert if dialect() == "postgresql" else sqlite_insert
    run(insert(Proof).values(day=day, due_at=now(), broken=[]).on_conflict_do_nothing())
    free = update(Proof).where(
        col(Proof.day) == day, col(Proof.ended_at).is_(None), col(Proof.due_at) <= now()
    )
    return day if update_one(free.values(due_at=now() + LEASE)) else None


def keep(day: str, broken: dict[str, list[str]]) -> None:
    """Write down what a night's proof found: promise → what breaks it."""
    proof = session().get_one(Proof, day)
    proof.ended_at = now()
    proof.broken = [
        {"promise": promise, "count": len(found), "first": found[:MOST_SENTENCES]}
        for promise, found in broken.items()
    ]
    session().add(proof)
    session().flush()


def newest() -> Proof | None:
    """The newest proof that was ended."""
    done = select(Proof).where(col(Proof.ended_at).is_not(None)).order_by(col(Proof.day).desc())
    return session().exec(done.limit(1)).first()
