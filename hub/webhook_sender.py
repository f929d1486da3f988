"""The clock's job that delivers webhooks: each endpoint in threads of its own, so that a slow receiver holds up only itself.

Order is not promised: what failed comes later, and a receiver in good health gets several messages at once.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock, main_thread

import structlog
from sqlalchemy import update
from sqlmodel import col, select

from core import outbox, outgoing
from core.access import CLOCK
from core.clock import now
from core.db import run, session, transaction
from core.errors import SpokesError
from core.outbox import NotSent, OutboxMessage, due_of
from core.outgoing import Answer, NotReached
from hub import endpoints
from hub.deliveries import WebhookAttempt, find_receiver
from hub.endpoints import WEBHOOK, WebhookEndpoint
from hub.webhook_alarm import switch_off

log = structlog.get_logger()

PATIENCE_S = 1.5
"""how long a run waits for its threads: the next one comes soon, and the slow ones go on meanwhile"""
SLICE_S = 8.0
LINES, AILING_LINES = 8, 4
AT_ONCE, PARTS, PER_PART = 4, 40, 10
AILS_AFTER = 3
GIVEN_UP_AFTER = timedelta(days=5)
GIVEN_UP_TRIES = 10
GONE = 410
FIRST_GOOD, AFTER_GOOD = 200, 300
AGENT = "Spokes-Webhooks/1"


class _Lines:
    """Threads for deliveries: most for receivers that answer, a few for those that have not lately."""

    def __init__(self) -> None:
        self._good = ThreadPoolExecutor(LINES, thread_name_prefix="webhooks")
        self._ailing = ThreadPoolExecutor(AILING_LINES, thread_name_prefix="webhooks-ailing")
        self._busy: set[str] = set()
        self._lock = Lock()

    def begin(self, endpoint_id: str, *, ails: bool, works: Sequence[Callable[[], int]]) -> list[Future[int]]:
        """Run works for an endpoint, unless earlier ones for it still run."""
        with self._lock:
            if endpoint_id in self._busy:
                return []
            self._busy.add(endpoint_id)
        pool, left = self._ailing if ails else self._good, [len(works)]

        def end(done: Future[int]) -> None:
            """Say what failed; after the last one the endpoint is free again."""
            if error := done.exception():
                log.warning(
                    "webhooks not sent", endpoint=endpoint_id, why=f"{type(error).__name__}: {error}"[:500]
                )
            with self._lock:
                left[0] -= 1
                if not left[0]:
                    self._busy.discard(endpoint_id)

        begun = [pool.submit(copy_context().run, each) for each in works]  # the job's clock is theirs
        for each in begun:
            each.add_done_callback(end)
        return begun


_lines = _Lines()


def send_due() -> int:
    """Job: deliver what is due; answers how many were taken while it waited."""
    begun: list[Future[int]] = []
    for queue in _queues():
        works = [queue.work(part) for part in queue.parts()]
        begun += _lines.begin(queue.endpoint_id, ails=queue.ails, works=works)
    done, _slow = wait(begun, timeout=PATIENCE_S)
    return sum(each.result() for each in done)


@dataclass(frozen=True)
class _Queue:
    """What is due for an endpoint."""

    endpoint_id: str
    ails: bool
    message_ids: Sequence[str]

    def parts(self) -> list[Sequence[str]]:
        """Shares for threads: one message at a time to a receiver that ails."""
        if self.ails:
            return [self.message_ids[:1]]
        count = max(1, min(AT_ONCE, len(self.message_ids) // PER_PART))
        return [self.message_ids[start::count] for start in range(count)]

    def work(self, message_ids: Sequence[str]) -> Callable[[], int]:
        """Deliver these, one after another, until the time is over or nobody answers."""

        def deliver_some() -> int:
            until, sent = time.monotonic() + SLICE_S, 0
            for each in message_ids:
                went = outbox.send([each], WEBHOOK, deliver)
                sent += went
                if time.monotonic() > until or not main_thread().is_alive():  # the process ends
                    break
            return sent

        return deliver_some


def _queues() -> list[_Queue]:
    """Who has something due; what is due to somebody who is switched off is given up."""
    with transaction(read_only=True):
        due = due_of(WEBHOOK).with_only_columns(col(OutboxMessage.recipient)).order_by(None).distinct()
        waiting = {each: find_receiver(each) for each in session().execute(due).scalars()}
        queues = [
            _Queue(each.id, each.failures >= AILS_AFTER, _due_to(each.id))
            for each in waiting.values()
            if each
        ]
    for endpoint_id in (id_ for id_, endpoint in waiting.items() if endpoint is None):
        with transaction():
            endpoints.give_up(endpoint_id)
    return queues


def _due_to(endpoint_id: str) -> Sequence[str]:
    theirs = due_of(WEBHOOK).where(col(OutboxMessage.recipient) == endpoint_id)
    return session().exec(theirs.limit(AT_ONCE * PARTS)).all()


def deliver(message: OutboxMessage) -> None:
    """Send a message to its endpoint and note what came back; raises NotSent when it was not taken."""
    with transaction(read_only=True):
        endpoint = find_receiver(message.recipient)
    if endpoint is None:
        raise NotSent("The endpoint was switched off.")
    began = time.monotonic()
    try:
        answer = _post(endpoint, message)
    except (NotReached, SpokesError) as error:
        took_ms = int((time.monotonic() - began) * 1000)
        _note(endpoint, _attempt(message, took_ms, error=str(error)))
        raise NotSent(str(error)) from error
    why = _why_not(answer)
    _note(endpoint, _attempt(message, answer.duration_ms, answer.status, answer.text, error=why))
    if why:
        raise NotSent(why, after_s=min(answer.retry_after_s or 0, outbox.BACKOFF_S[-1]))


def _post(endpoint: WebhookEndpoint, message: OutboxMessage) -> Answer:
    body: str = message.content["body"]
    headers = endpoints.signed(endpoint, f"msg_{message.id}", body)
    headers |= {"Content-Type": "application/json", "User-Agent": AGENT}
    return outgoing.post(endpoint.url, body.encode(), headers)


def _attempt(
    message: OutboxMessage, took_ms: int, status: int | None = None, answer: str = "", *, error: str
) -> WebhookAttempt:
    return WebhookAttempt(
        message_id=message.id,
        endpoint_id=message.recipient,
        at=now(),
        status=status,
        duration_ms=took_ms,
        answer=answer,
        error=error,
    )


def _why_not(answer: Answer) -> str:
    """Why an answer does not count as taken; empty when it does."""
    if FIRST_GOOD <= answer.status < AFTER_GOOD:
        return ""
    if answer.status == GONE:
        return "The receiver says that it is gone for good (410)."
    if AFTER_GOOD <= answer.status < 400:  # noqa: PLR2004 - HTTP's own border
        return f"The receiver sends us elsewhere ({answer.status}); redirects are not followed."
    return f"The receiver answered {answer.status}."


def _note(endpoint: WebhookEndpoint, attempt: WebhookAttempt) -> None:
    """Write down a try and what it says of the endpoint's health; switch off what is gone or has long been silent."""
    with transaction():
        session().add(attempt)
        session().flush()
        mine = update(WebhookEndpoint).where(col(WebhookEndpoint.id) == endpoint.id)
        if not attempt.error:
            run(mine.where(col(WebhookEndpoint.failures) > 0).values(failures=0, failing_since=None))
            return
        run(mine.values(failures=WebhookEndpoint.failures + 1))
        run(mine.where(col(WebhookEndpoint.failing_since).is_(None)).values(failing_since=now()))
        known = session().exec(select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint.id)).one()
        if reason := _reason_to_stop(known, attempt):
            switch_off(known, reason, by=CLOCK)


def _reason_to_stop(endpoint: WebhookEndpoint, attempt: WebhookAttempt) -> str:
    if endpoint.state != "enabled":
        return ""
    if attempt.status == GONE:
        return attempt.error
    long = endpoint.failing_since is not None and endpoint.failing_since <= now() - GIVEN_UP_AFTER
    if long and endpoint.failures >= GIVEN_UP_TRIES:
        return f"Nothing but failures for {GIVEN_UP_AFTER.days} days. The last: {attempt.error}"
    return ""
