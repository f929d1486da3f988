"""Every API call received, so that tests can count them."""

import time

from sandbox.stripe.store import Json, Store


def note(  # noqa: PLR0913 - one column each
    store: Store, *, request_id: str, method: str, path: str, account: str, key: str | None, status: int,
    replayed: bool, fault: str | None,
) -> None:  # fmt: skip
    """Write one call down; `status` 0 means that nothing was executed and nothing answered."""
    store.run(
        "INSERT INTO requests (request_id, method, path, account, idempotency_key, status, replayed, fault, at)"
        " VALUES (:request_id, :method, :path, :account, :key, :status, :replayed, :fault, :at)",
        {
            "request_id": request_id, "method": method, "path": path, "account": account, "key": key,
            "status": status, "replayed": int(replayed), "fault": fault, "at": time.time(),
        },
    )  # fmt: skip


def calls(
    store: Store, *, method: str = "", path: str = "", request_id: str = "", limit: int = 1000
) -> list[Json]:
    """The newest calls, oldest of them first, by method, beginning of the path and request id (empty: any)."""
    rows = store.rows(
        "SELECT * FROM requests WHERE (:method = '' OR method = :method)"
        " AND substr(path, 1, length(:path)) = :path AND :request_id IN ('', request_id)"
        " ORDER BY id DESC LIMIT :limit",
        {"method": method.upper(), "path": path, "request_id": request_id, "limit": limit},
    )
    return [dict(row) | {"replayed": bool(row["replayed"])} for row in reversed(rows)]


def count(store: Store, *, method: str = "", path: str = "") -> int:
    """How many calls there were in all."""
    row = store.row(
        "SELECT count(*) AS n FROM requests WHERE (:method = '' OR method = :method)"
        " AND substr(path, 1, length(:path)) = :path",
        {"method": method.upper(), "path": path},
    )
    return int(row["n"]) if row else 0
