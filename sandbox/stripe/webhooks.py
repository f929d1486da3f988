"""Signed webhooks: queued with the event, posted by a background thread, retried with growing delays."""

import hashlib
import hmac
import json
import threading
import time

import requests

from sandbox.stripe.box import Box, Endpoint
from sandbox.stripe.store import Json, Store, decoded

TIMEOUT_S = 10.0
IDLE_S = 0.1
DUE = """
SELECT deliveries.id, event, endpoint, attempts, body FROM deliveries JOIN objects ON objects.id = deliveries.event
WHERE state = 'waiting' AND due_at <= :now
"""
OLDEST_DUE = DUE + "ORDER BY deliveries.id LIMIT 1"
NEWEST_DUE = DUE + "ORDER BY deliveries.id DESC LIMIT 1"


def queue(box: Box, event_id: str, endpoint: str) -> None:
    """Queue an event for an endpoint ("platform" or "connect"), as often as the delivery options say."""
    if endpoint not in box.delivery.endpoints:
        return
    due_at = time.time() + box.delivery.delay_s
    for _ in range(box.delivery.copies):
        box.store.run(
            "INSERT INTO deliveries (event, endpoint, attempts, due_at, state)"
            " VALUES (:event, :endpoint, 0, :due_at, 'waiting')",
            {"event": event_id, "endpoint": endpoint, "due_at": due_at},
        )
    box.wake.set()


def pending(store: Store, event_id: str) -> int:
    """How many deliveries of the event have not succeeded (or been given up) yet."""
    row = store.row(
        "SELECT count(*) AS n FROM deliveries WHERE event = :event AND state = 'waiting'", {"event": event_id}
    )
    return int(row["n"]) if row else 0


def deliveries(store: Store) -> list[Json]:
    """Every delivery, oldest first: event, endpoint, attempts, state, last_status (0: no answer)."""
    return [dict(row) for row in store.rows("SELECT * FROM deliveries ORDER BY id LIMIT 10000")]


def signature(payload: bytes, secret: str, at: int) -> str:
    """The `Stripe-Signature` header: HMAC-SHA256 over `<timestamp>.<payload>`."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def start(box: Box) -> threading.Thread:
    """Start delivering in the background until the box is stopping."""
    thread = threading.Thread(target=_deliver_until_stopped, args=(box,), name="webhooks", daemon=True)
    thread.start()
    return thread


def _deliver_until_stopped(box: Box) -> None:
    with requests.Session() as session:
        session.trust_env = False
        while not box.stopping.is_set():
            if not deliver_next(box, session):
                box.wake.wait(IDLE_S)
                box.wake.clear()


def deliver_next(box: Box, session: requests.Session) -> bool:
    """Post the next delivery that is due; False when none is."""
    if box.delivery.paused or not box.delivery.endpoints:
        return False
    with box.store.transaction():
        row = box.store.row(NEWEST_DUE if box.delivery.newest_first else OLDEST_DUE, {"now": time.time()})
    if row is None:
        return False
    endpoint = box.delivery.endpoints.get(row["endpoint"])
    event = decoded(row["body"]) | {"pending_webhooks": pending(box.store, row["event"])}
    status = _post(session, endpoint, event, box) if endpoint else 0
    _note(box, row["id"], row["attempts"] + 1, status)
    return True


def _post(session: requests.Session, endpoint: Endpoint, event: Json, box: Box) -> int:
    payload = json.dumps(event, indent=2).encode()
    signed = signature(payload, endpoint.secret, int(box.now() + box.delivery.skew_s))
    headers = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signed}
    try:
        answer = session.post(
            endpoint.url, data=payload, headers=headers, timeout=TIMEOUT_S, allow_redirects=False
        )
    except requests.RequestException:
        return 0
    return answer.status_code


def _note(box: Box, delivery_id: int, attempts: int, status: int) -> None:
    done = 200 <= status < 300  # noqa: PLR2004 - Stripe counts any 2xx as received
    given_up = not done and attempts >= box.delivery.max_attempts
    with box.store.transaction():
        box.store.run(
            "UPDATE deliveries SET attempts = :attempts, state = :state, last_status = :status, due_at = :due_at"
            " WHERE id = :id",
            {
                "id": delivery_id, "attempts": attempts, "status": status,
                "state": "delivered" if done else "given_up" if given_up else "waiting",
                "due_at": time.time() + box.delivery.retry_s * 2 ** (attempts - 1),
            },
        )  # fmt: skip
