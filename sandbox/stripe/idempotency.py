"""Idempotency keys as version 1 of the API has them.

The first answer to a key is replayed, errors included, for 24 hours of the sandbox's clock. Refusals before execution
begins are not kept. Other parameters under the same key, or a second call while the first runs, are refused.
"""

import hashlib
import json
from dataclasses import dataclass

from sandbox.stripe.errors import StripeRefusal
from sandbox.stripe.form import Tree
from sandbox.stripe.store import Json, Store, decoded

KEPT_S = 24 * 3600
MAX_KEY = 255


@dataclass(frozen=True)
class FirstAnswer:
    """What the key's first request was answered."""

    status: int
    body: Json
    request_id: str


def fingerprint(method: str, path: str, params: Tree) -> str:
    """A digest of everything that must be the same under one key."""
    return hashlib.sha256(json.dumps([method, path, params], sort_keys=True).encode()).hexdigest()


def claim(store: Store, key: str, owner: str, print_: str, request_id: str, now: int) -> FirstAnswer | None:
    """Take the key for this request (None), or answer what the first one got; refuses conflicts."""
    if len(key) > MAX_KEY:
        raise StripeRefusal(f"Idempotency keys have at most {MAX_KEY} characters.")
    store.run(
        "DELETE FROM idempotency_keys WHERE created <= :limit AND status IS NOT NULL", {"limit": now - KEPT_S}
    )
    row = store.row(
        "SELECT * FROM idempotency_keys WHERE key = :key AND owner = :owner", {"key": key, "owner": owner}
    )
    if row is None:
        store.run(
            "INSERT INTO idempotency_keys VALUES (:key, :owner, :print, :request_id, :now, NULL, NULL)",
            {"key": key, "owner": owner, "print": print_, "request_id": request_id, "now": now},
        )
        return None
    if row["fingerprint"] != print_:
        raise StripeRefusal(
            "Keys for idempotent requests can only be used with the same parameters they were first used with."
            f" Try using a key other than '{key}' if you meant to execute a different request.",
            kind="idempotency_error",
        )
    if row["status"] is None:
        raise StripeRefusal(
            "There is currently another in-progress request using this Idempotent Key (that probably means you"
            f" submitted twice, and the other request is still going through): {key}. Please try again later.",
            status=409,
            code="idempotency_key_in_use",
        )
    return FirstAnswer(row["status"], decoded(row["body"]), row["request_id"])


def keep(store: Store, key: str, owner: str, status: int, body: Json) -> None:
    """Remember the answer that later calls with this key get."""
    store.run(
        "UPDATE idempotency_keys SET status = :status, body = :body WHERE key = :key AND owner = :owner",
        {"key": key, "owner": owner, "status": status, "body": json.dumps(body)},
    )


def release(store: Store, key: str, owner: str) -> None:
    """Forget a key whose request never began to execute."""
    store.run(
        "DELETE FROM idempotency_keys WHERE key = :key AND owner = :owner", {"key": key, "owner": owner}
    )


def release_unfinished(store: Store) -> None:
    """After a crash: what was in progress has committed nothing, since answer and effect commit together."""
    store.run("DELETE FROM idempotency_keys WHERE status IS NULL")
