"""Rows that are sent later: whatever leaves the database is a row first, so nothing is lost and nothing goes twice."""

import random
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from smtplib import SMTPException
from typing import Any, Literal, get_args

import structlog
from sqlalchemy import JSON, Index, Text, UniqueConstraint, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.sql.expression import SelectOfScalar

from core.clock import now
from core.columns import key, moment, one_of, word
from core.db import dialect, session, transaction, update_one
from core.ids import new_ids

log = structlog.get_logger()

State = Literal["waiting", "sending", "sent", "dead"]
LEASE = timedelta(minutes=2)
BACKOFF_S = (5, 30, 120, 600, 3_600, 14_400, 43_200, 86_400)
JITTER = 0.2
SPREAD = frozenset({"webhook"})
"""kinds whose next tries are spread, up to a fifth later, so that a receiver that comes back is not stormed"""
BATCH = 50
OPEN: tuple[State, ...] = ("waiting", "sending")


class NotSent(Exception):
    """Why a message was not sent, for `deliver` to raise; `after_s` is how long to wait at least before the next try."""

    def __init__(self, why: str, *, after_s: int = 0) -> None:
        super().__init__(why)
        self.after_s = after_s


Content = dict[str, Any]
Kept = Callable[[Content], Content]


class OutboxMessage(SQLModel, table=True):
    """A message on its way out; (kind, subject, step) says it only once."""

    __tablename__ = "outbox_message"
    __table_args__ = (UniqueConstraint("kind", "subject", "step"), one_of("state", get_args(State)))

    id: str = key()
    kind: str = Field(sa_type=Text)
    subject: str = Field(sa_type=Text)
    """the id of what it is about"""
    step: str = Field(sa_type=Text)
    recipient: str = Field(sa_type=Text)
    content: dict[str, Any] = Field(sa_type=JSON)
    state: State = word("waiting", index=True)
    attempts: int = 0
    created_at: datetime = moment(now)
    due_at: datetime = moment(now, index=True)
    sent_at: datetime | None = moment(optional=True)
    last_error: str = Field(default="", sa_type=Text)


_is_open = col(OutboxMessage.state).in_(OPEN)
_line = col(OutboxMessage.kind), col(OutboxMessage.recipient)
Index(
    "ix_outbox_message_line",
    *_line,
    col(OutboxMessage.due_at),
    sqlite_where=_is_open,
    postgresql_where=_is_open,
)
Index("ix_outbox_message_recipient", *_line, col(OutboxMessage.id))


Deliver = Callable[[OutboxMessage], None]


def put(kind: str, subject: str, step: str, *, to: str, content: dict[str, Any]) -> bool:
    """Leave a message for sending; False when this very step of this subject was already left."""
    known = select(OutboxMessage.id).where(
        OutboxMessage.kind == kind, OutboxMessage.subject == subject, OutboxMessage.step == step
    )
    if session().exec(known).first() is not None:
        return False
    session().add(OutboxMessage(kind=kind, subject=subject, step=step, recipient=to, content=content))
    session().flush()
    return True


def put_many(messages: Sequence[OutboxMessage]) -> None:
    """Leave many messages at once, to go in this order; of those whose very step was left before there is still one."""
    if messages:
        for each, place in zip(messages, new_ids(len(messages)), strict=True):
            each.id = place
        add = (pg_insert if dialect() == "postgresql" else sqlite_insert)(OutboxMessage)
        once = add.on_conflict_do_nothing(index_elements=["kind", "subject", "step"])
        session().execute(once, [each.model_dump() for each in messages])


def send_due(kind: str, deliver: Deliver, *, kept: Kept = dict) -> int:
    """Send up to 50 due messages of a kind, each claimed first; answers how many went out. See `send`."""
    with transaction(read_only=True):
        due = session().exec(due_of(kind).limit(BATCH)).all()
    return send(due, kind, deliver, kept=kept)


def due_of(kind: str) -> SelectOfScalar[str]:
    """The query for the ids of a kind's due messages, the longest due first."""
    return (
        select(OutboxMessage.id).where(*_due(kind)).order_by(col(OutboxMessage.due_at), col(OutboxMessage.id))
    )


def send(ids: Iterable[str], kind: str, deliver: Deliver, *, kept: Kept = dict) -> int:
    """Send these messages as far as they are still due, each claimed first; answers how many went out.

    `deliver` raises NotSent, or what networks raise, when one could not be sent: it is tried again later. `kept` says what
    remains of a message's content once it has gone out.
    """
    return sum(_send_one(each, kind, deliver, kept) for each in ids)


def _due(kind: str) -> tuple[Any, ...]:
    return (OutboxMessage.kind == kind, _is_open, OutboxMessage.due_at <= now())


def _send_one(message_id: str, kind: str, deliver: Deliver, kept: Kept) -> bool:
    with transaction():
        claim = update(OutboxMessage).where(col(OutboxMessage.id) == message_id, *_due(kind))
        claimed = claim.values(state="sending", due_at=now() + LEASE, attempts=OutboxMessage.attempts + 1)
        if not update_one(claimed):
            return False
        message = session().get_one(OutboxMessage, message_id)
    try:
        deliver(message)
    except NotSent as error:
        _failed(message, str(error), error.after_s)
        return False
    except (OSError, SMTPException, ValueError) as error:  # a ValueError: it cannot even be composed
        _failed(message, f"{type(error).__name__}: {error}")
        return False
    _settle(message, state="sent", sent_at=now(), last_error="", content=kept(message.content))
    return True


def _failed(message: OutboxMessage, why: str, after_s: int = 0) -> None:
    log.warning("not sent", message=message.id, kind=message.kind, attempts=message.attempts, why=why)
    if message.attempts > len(BACKOFF_S):
        _settle(message, state="dead", last_error=why[:500])
        return
    pause_s: float = max(BACKOFF_S[message.attempts - 1], after_s)
    if message.kind in SPREAD:
        pause_s += random.uniform(0, pause_s * JITTER)  # noqa: S311 - no secret
    _settle(message, state="waiting", due_at=now() + timedelta(seconds=pause_s), last_error=why[:500])


def _settle(message: OutboxMessage, **values: object) -> None:
    """Write how this try ended, unless our lease ran out and somebody else has it by now."""
    mine = (col(OutboxMessage.state) == "sending", col(OutboxMessage.attempts) == message.attempts)
    with transaction():
        update_one(update(OutboxMessage).where(col(OutboxMessage.id) == message.id, *mine).values(**values))


def send_again(message_id: str) -> bool:
    """Put a dead message back in line; False when it is not dead."""
    again = update(OutboxMessage).where(
        col(OutboxMessage.id) == message_id, col(OutboxMessage.state) == "dead"
    )
    return update_one(again.values(state="waiting", attempts=0, due_at=now()))
