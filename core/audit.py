"""The audit log: who did what to what, in the same transaction, each entry chained to the one before by its hash."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import Field, SQLModel, col, select

from core import bulk
from core.access import Actor
from core.clock import now
from core.columns import moment
from core.db import before_commit, dialect, run, session

GENESIS = "0" * 64
_QUEUE = "audit_queue"


class AuditEntry(SQLModel, table=True):
    """One act; `seq` counts without gaps, `hash` covers the entry and the hash before it."""

    __tablename__ = "audit_entry"

    seq: int = Field(primary_key=True, sa_type=BigInteger)
    at: datetime = moment()
    actor_kind: str = Field(sa_type=Text)
    actor_id: str = Field(sa_type=Text)
    actor_name: str = Field(sa_type=Text)
    action: str = Field(index=True, sa_type=Text)
    object_kind: str = Field(sa_type=Text)
    object_id: str = Field(index=True, sa_type=Text)
    unit_id: str | None = Field(default=None, index=True, sa_type=Text)
    details: dict[str, Any] = Field(sa_type=JSON)
    previous_hash: str = Field(sa_type=Text)
    hash: str = Field(sa_type=Text)


class AuditHead(SQLModel, table=True):
    """The end of the chain; its one row is the lock that keeps the chain single."""

    __tablename__ = "audit_head"

    id: int = Field(primary_key=True)
    seq: int = Field(sa_type=BigInteger)
    hash: str = Field(sa_type=Text)


@dataclass
class _NewEntry:
    seq: int
    at: datetime
    actor_kind: str
    actor_id: str
    actor_name: str
    action: str
    object_kind: str
    object_id: str
    unit_id: str | None
    details: dict[str, Any]
    previous_hash: str
    hash: str = ""


def record(
    actor: Actor,
    action: str,
    kind: str,
    object_id: str,
    *,
    unit_id: str | None = None,
    details: dict[str, Any] | None = None,
) -> None:
    """Note an act; it is written when the transaction commits, so the chain is locked only for a moment.

    `details` hold plain JSON: what was before and after, a reason, where from. No secrets.
    """
    act = {
        "at": now(),
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "actor_name": actor.name,
        "action": action,
        "object_kind": kind,
        "object_id": object_id,
        "unit_id": unit_id,
        "details": details or {},
    }
    session().info.setdefault(_QUEUE, []).append(act)


@before_commit
def write_queue() -> None:
    """Append the acts of this transaction to the chain."""
    acts = session().info.pop(_QUEUE, [])
    if not acts:
        return
    _lock_head(len(acts))
    head = session().exec(select(AuditHead).execution_options(populate_existing=True)).one()
    previous = head.hash
    entries = []
    for seq, act in enumerate(acts, start=head.seq - len(acts) + 1):
        entry = _NewEntry(seq=seq, previous_hash=previous, **act)
        entry.hash = previous = _hash_of(vars(entry))
        entries.append(entry)
    head.hash = previous
    session().flush()
    bulk.store(AuditEntry, entries)


def _lock_head(more: int) -> None:
    """Count `more` entries at the head of the chain, which locks it; of two very first ones the second waits."""
    longer = update(AuditHead).where(col(AuditHead.id) == 1).values(seq=AuditHead.seq + more)
    if run(longer) == 0:
        insert = pg_insert if dialect() == "postgresql" else sqlite_insert
        run(insert(AuditHead).values(id=1, seq=0, hash=GENESIS).on_conflict_do_nothing())
        run(longer)


def entry_hash(entry: AuditEntry) -> str:
    """SHA-256 over the canonical JSON of everything in the entry but its own hash."""
    return _hash_of(entry.model_dump())


def _hash_of(entry: Mapping[str, Any]) -> str:
    facts = {name: value for name, value in entry.items() if name != "hash"} | {"at": entry["at"].isoformat()}
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def broken_links() -> Iterator[int]:
    """The numbers of entries whose hash or predecessor does not fit; none when the log is whole."""
    previous, expected = GENESIS, 1
    for entry in session().exec(
        select(AuditEntry).order_by(col(AuditEntry.seq)).execution_options(yield_per=1000)
    ):
        if entry.seq != expected or entry.previous_hash != previous or entry.hash != entry_hash(entry):
            yield entry.seq
        previous, expected = entry.hash, entry.seq + 1
    head = session().get(AuditHead, 1)
    if head is not None and (head.seq != expected - 1 or head.hash != previous):
        yield expected
