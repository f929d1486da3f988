"""Traces: what ties conversions to each other (a card, a device), kept as opaque words and for ninety days only."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from sqlalchemy import Index, Text, delete, tuple_
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import Field, SQLModel, col, select

from core.clock import now
from core.columns import moment, one_of
from core.db import dialect, run, session

Kind = Literal["card", "device"]
KEPT = timedelta(days=90)
MOST_ALIKE = 5_000
CHUNK = 500
LATE = "its click is not there"
"""the device of an order that was assessed before its click was taken in"""


class FraudTrace(SQLModel, table=True):
    """A conversion has this card or device in it."""

    __tablename__ = "fraud_trace"
    __table_args__ = (one_of("kind", get_args(Kind)),)

    conversion_id: str = Field(primary_key=True, foreign_key="conversion.id", sa_type=Text)
    membership_id: str = Field(primary_key=True, foreign_key="membership.id", sa_type=Text)
    kind: Kind = Field(primary_key=True, sa_type=Text)
    value: str = Field(sa_type=Text)
    """a card's fingerprint; a device's hash as the shop told it, with the order's day; or its click's, whose salt is of a day"""
    is_own: bool = False
    """the order was the advocate's own purchase"""
    at: datetime = moment(index=True)


Index("ix_fraud_trace_value", FraudTrace.kind, FraudTrace.value)


@dataclass(frozen=True)
class Trace:
    """A row before it is stored; fields as there."""

    conversion_id: str
    membership_id: str
    kind: Kind
    value: str
    is_own: bool
    at: datetime


@dataclass(frozen=True)
class Alike:
    """What else has the same card or device in it."""

    mine: int
    """conversions of this advocate, this one included"""
    advocates: int
    """this one, and those who have no part of this or of another of theirs: one shared order is no crowd"""
    own_purchase: bool
    """one of them was the advocate's own purchase"""


def keep(traces: Sequence[Trace]) -> None:
    """Store traces; those that are known stay as they are."""
    if traces:
        insert = pg_insert if dialect() == "postgresql" else sqlite_insert
        rows = [vars(each) for each in traces]
        session().execute(insert(FraudTrace).on_conflict_do_nothing(), rows)


def devices_of(places: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """(conversion, membership) → the device that was seen when it was looked at, where it was."""
    if not places:
        return {}
    columns = FraudTrace.conversion_id, FraudTrace.membership_id
    seen = col(FraudTrace.kind) == "device", col(FraudTrace.value) != LATE
    theirs = select(*columns, FraudTrace.value).where(tuple_(*map(col, columns)).in_(places), *seen)
    return {(conversion, member): value for conversion, member, value in session().exec(theirs)}


def alike(traces: Iterable[Trace]) -> dict[tuple[str, str, Kind], Alike]:
    """(conversion, membership, kind) → what is known with the same card or device; the traces are stored already."""
    mine = list(traces)
    by_value: dict[tuple[str, str], list[FraudTrace]] = {}
    values = sorted({(each.kind, each.value) for each in mine})
    for start in range(0, len(values), CHUNK):
        same: Any = tuple_(col(FraudTrace.kind), col(FraudTrace.value)).in_(values[start : start + CHUNK])
        for row in session().exec(select(FraudTrace).where(same).limit(MOST_ALIKE)):
            by_value.setdefault((row.kind, row.value), []).append(row)
    return {
        (each.conversion_id, each.membership_id, each.kind): _alike(
            each, by_value.get((each.kind, each.value), [])
        )
        for each in mine
    }


def _alike(trace: Trace, same: Sequence[FraudTrace]) -> Alike:
    mine = [each for each in same if each.membership_id == trace.membership_id]
    shared = {trace.conversion_id, *(each.conversion_id for each in mine)}
    with_me = {each.membership_id for each in same if each.conversion_id in shared}
    others = {each.membership_id for each in same} - with_me
    own = any(each.is_own for each in mine if each.conversion_id != trace.conversion_id)
    return Alike(len(mine), 1 + len(others), own)


def forget_traces() -> int:
    """Job: delete traces older than ninety days; answers how many. Call it in a transaction."""
    return run(delete(FraudTrace).where(col(FraudTrace.at) < now() - KEPT))
