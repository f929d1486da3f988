"""Deliveries of webhooks: each message to one endpoint, its tries, and sending it again."""

from datetime import datetime, timedelta

from sqlalchemy import Text, delete, update
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.sql.expression import SelectOfScalar

from core.access import Actor
from core.clock import now
from core.columns import key, moment
from core.db import run, session, transaction, update_one
from core.errors import Conflict, NotFound
from core.ids import new_id
from core.outbox import OPEN, OutboxMessage
from hub import announcing
from hub.endpoints import WEBHOOK, EndpointNotFound, WebhookEndpoint, get_endpoint, note

PING = "ping"
MOST_AGAIN = 1_000
AGAIN_WITHIN = timedelta(days=30)
KEPT = timedelta(days=60)
FORGET_AT_ONCE = 5_000
FORGET_STEPS = 200
"""of so many each, in one run: a million an hour"""


class WebhookAttempt(SQLModel, table=True):
    """One try to deliver a message: what came back, or why nothing did."""

    __tablename__ = "webhook_attempt"

    id: str = key()
    message_id: str = Field(index=True, sa_type=Text)
    """the outbox message"""
    endpoint_id: str = Field(sa_type=Text)
    at: datetime = moment(now, index=True)
    status: int | None = None
    """of HTTP; None: no answer"""
    duration_ms: int = 0
    answer: str = Field(default="", sa_type=Text)
    """the beginning of what came back"""
    error: str = Field(default="", sa_type=Text)
    """why it does not count, as a sentence; empty when it does"""


class DeliveryNotFound(NotFound):
    """There is no such delivery."""


class SwitchedOff(Conflict):
    """This endpoint is switched off. Switch it on first."""


class UnderWay(Conflict):
    """This delivery is under way at this moment."""


def get_delivery(endpoint: WebhookEndpoint, message_id: str) -> OutboxMessage:
    """The message with this id on its way to this endpoint; raises DeliveryNotFound."""
    message = session().get(OutboxMessage, message_id)
    if message is None or message.kind != WEBHOOK or message.recipient != endpoint.id:
        raise DeliveryNotFound
    return message


def attempts_of(message_ids: list[str]) -> dict[str, list[WebhookAttempt]]:
    """Message → its tries, the newest first."""
    found: dict[str, list[WebhookAttempt]] = {each: [] for each in message_ids}
    wanted = select(WebhookAttempt).where(col(WebhookAttempt.message_id).in_(message_ids))
    for attempt in session().exec(wanted.order_by(col(WebhookAttempt.id).desc())):
        found[attempt.message_id].append(attempt)
    return found


def ping(endpoint: WebhookEndpoint, *, by: Actor) -> OutboxMessage:
    """Leave a message that says nothing but hello; raises SwitchedOff."""
    _require_on(endpoint)
    body = announcing.written(PING, {"endpoint_id": endpoint.id}, now())
    message = announcing.message(endpoint.id, PING, f"{PING}:{new_id()}", body, now())
    session().add(message)
    session().flush()
    note(endpoint, "pinged", by)
    return message


def send_again(endpoint: WebhookEndpoint, message: OutboxMessage, *, by: Actor) -> None:
    """Send a message now, whatever became of it before, under the same id; raises SwitchedOff, UnderWay."""
    _require_on(endpoint)
    resting = update(OutboxMessage).where(
        col(OutboxMessage.id) == message.id, col(OutboxMessage.state) != "sending"
    )
    if not update_one(resting.values(state="waiting", attempts=0, due_at=now())):
        raise UnderWay
    note(endpoint, "sent_again", by, message=message.id)


def send_failed_again(endpoint: WebhookEndpoint, since: datetime, *, by: Actor) -> int:
    """Send what was given up since a moment (at most 30 days ago) again, the oldest 1,000; answers how many.

    Raises SwitchedOff.
    """
    _require_on(endpoint)
    dead = select(OutboxMessage.id).where(
        OutboxMessage.kind == WEBHOOK,
        OutboxMessage.recipient == endpoint.id,
        OutboxMessage.state == "dead",
        OutboxMessage.created_at >= max(since, now() - AGAIN_WITHIN),
    )
    oldest = list(session().exec(dead.order_by(col(OutboxMessage.id)).limit(MOST_AGAIN)))
    again = update(OutboxMessage).where(col(OutboxMessage.id).in_(oldest), col(OutboxMessage.state) == "dead")
    count = run(again.values(state="waiting", attempts=0, due_at=now()))
    note(endpoint, "failed_sent_again", by, since=since.isoformat(), count=count)
    return count


def _require_on(endpoint: WebhookEndpoint) -> None:
    if endpoint.state != "enabled":
        raise SwitchedOff


def forget_old() -> int:
    """Job: delete deliveries that ended, and tries, when they are 60 days old; answers how many of both."""
    before = now() - KEPT
    ended = select(OutboxMessage.id).where(
        OutboxMessage.kind == WEBHOOK,
        col(OutboxMessage.state).not_in(OPEN),
        OutboxMessage.created_at < before,
    )
    tried = select(WebhookAttempt.id).where(WebhookAttempt.at < before)
    return _forget(OutboxMessage, ended) + _forget(WebhookAttempt, tried)


def _forget(table: type[OutboxMessage | WebhookAttempt], old: SelectOfScalar[str]) -> int:
    """Delete the rows of these ids in steps that let others write in between; answers how many."""
    gone = 0
    for _ in range(FORGET_STEPS):
        with transaction():
            some = run(delete(table).where(col(table.id).in_(old.limit(FORGET_AT_ONCE))))
        gone += some
        if some < FORGET_AT_ONCE:
            break
    return gone


def find_receiver(endpoint_id: str) -> WebhookEndpoint | None:
    """The endpoint if it is there and switched on."""
    try:
        endpoint = get_endpoint(endpoint_id)
    except EndpointNotFound:
        return None
    return endpoint if endpoint.state == "enabled" else None
