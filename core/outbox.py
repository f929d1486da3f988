"""Rows that are sent later: whatever leaves the database is a row first, so nothing is lost and nothing goes twice."""

from collections.abc import Callable
from datetime import datetime, timedelta
from smtplib import SMTPException
from typing import Any, Literal, get_args

import structlog
from sqlalchemy import JSON, Text, UniqueConstraint, or_, update
from sqlmodel import Field, SQLModel, col, select

from core.clock import now
from core.columns import key, moment, one_of, word
from core.db import session, transaction, update_one

log = structlog.get_logger()

State = Literal["waiting", "sending", "sent", "dead"]
LEASE = timedelta(minutes=2)
BACKOFF_S = (5, 30, 120, 600, 3_600, 14_400, 43_200, 86_400)
BATCH = 50


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


def send_due(kind: str, deliver: Callable[[OutboxMessage], None]) -> int:
    """Send up to 50 due messages of a kind, each claimed first; answers how many went out."""
    sent = 0
    with transaction(read_only=True):
        due = (
            session()
            .exec(
                select(OutboxMessage.id).where(*_due(kind)).order_by(col(OutboxMessage.due_at)).limit(BATCH)
            )
            .all()
        )
    for message_id in due:
        sent += _send_one(message_id, kind, deliver)
    return sent


def _due(kind: str) -> tuple[Any, ...]:
    open_states = or_(col(OutboxMessage.state) == "waiting", col(OutboxMessage.state) == "sending")
    return (OutboxMessage.kind == kind, open_states, OutboxMessage.due_at <= now())


def _send_one(message_id: str, kind: str, deliver: Callable[[OutboxMessage], None]) -> bool:
    with transaction():
        claim = update(OutboxMessage).where(col(OutboxMessage.id) == message_id, *_due(kind))
        claimed = claim.values(state="sending", due_at=now() + LEASE, attempts=OutboxMessage.attempts + 1)
        if not update_one(claimed):
            return False
        message = session().get_one(OutboxMessage, message_id)
    try:
        deliver(message)
    except (OSError, SMTPException, ValueError) as error:  # a ValueError: it cannot even be composed
        _failed(message, f"{type(error).__name__}: {error}")
        return False
    _settle(message, state="sent", sent_at=now(), last_error="")
    return True


def _failed(message: OutboxMessage, why: str) -> None:
    log.warning("not sent", message=message.id, kind=message.kind, attempts=message.attempts, why=why)
    if message.attempts > len(BACKOFF_S):
        _settle(message, state="dead", last_error=why[:500])
        return
    again = now() + timedelta(seconds=BACKOFF_S[message.attempts - 1])
    _settle(message, state="waiting", due_at=again, last_error=why[:500])


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
