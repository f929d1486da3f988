"""One SQLite connection behind one lock: what the local Stripe remembers, also after a restart."""

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
Value: TypeAlias = str | int | float | None

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL,
    created INTEGER NOT NULL, subject TEXT, grouping TEXT, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS objects_by_kind ON objects (kind, owner, seq);
CREATE TABLE IF NOT EXISTS funds (
    owner TEXT NOT NULL, currency TEXT NOT NULL, amount INTEGER NOT NULL, PRIMARY KEY (owner, currency));
CREATE TABLE IF NOT EXISTS idempotency_keys (
    key TEXT NOT NULL, owner TEXT NOT NULL, fingerprint TEXT NOT NULL, request_id TEXT NOT NULL,
    created INTEGER NOT NULL, status INTEGER, body TEXT, PRIMARY KEY (key, owner));
CREATE TABLE IF NOT EXISTS faults (
    id INTEGER PRIMARY KEY AUTOINCREMENT, method TEXT NOT NULL, path TEXT NOT NULL, remaining INTEGER NOT NULL,
    body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT, request_id TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
    account TEXT NOT NULL, idempotency_key TEXT, status INTEGER NOT NULL, replayed INTEGER NOT NULL, fault TEXT,
    at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS links (
    token TEXT PRIMARY KEY, kind TEXT NOT NULL, account TEXT NOT NULL, refresh_url TEXT NOT NULL,
    return_url TEXT NOT NULL, expires_at INTEGER NOT NULL, used INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, endpoint TEXT NOT NULL, attempts INTEGER NOT NULL,
    due_at REAL NOT NULL, state TEXT NOT NULL, last_status INTEGER);
CREATE INDEX IF NOT EXISTS deliveries_by_event ON deliveries (event);
CREATE TABLE IF NOT EXISTS payout_parts (part TEXT PRIMARY KEY, payout TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS payout_parts_by_payout ON payout_parts (payout);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
TABLES = (
    "objects",
    "funds",
    "idempotency_keys",
    "faults",
    "requests",
    "links",
    "deliveries",
    "payout_parts",
    "settings",
)


class Store:
    """The state of one local Stripe; every use happens inside `transaction()`."""

    def __init__(self, path: str = ":memory:") -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.executescript(SCHEMA)

    def close(self) -> None:
        """Close the file; nothing may be asked afterwards."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the lock and commit at the end; an exception undoes everything. Joins a transaction already open."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def run(self, sql: str, values: Mapping[str, Value] | None = None) -> int:
        """Run one statement; answers how many rows it changed."""
        with self._lock:
            return self._connection.execute(sql, values or {}).rowcount

    def rows(self, sql: str, values: Mapping[str, Value] | None = None) -> list[sqlite3.Row]:
        """All rows of one query."""
        with self._lock:
            return self._connection.execute(sql, values or {}).fetchall()

    def row(self, sql: str, values: Mapping[str, Value] | None = None) -> sqlite3.Row | None:
        """The first row of one query, or None."""
        found = self.rows(sql, values)
        return found[0] if found else None

    def empty(self) -> None:
        """Forget everything, as on the first start."""
        with self.transaction():
            for table in TABLES:
                self.run(f"DELETE FROM {table}")  # noqa: S608 - the names are the constants above

    def add(
        self,
        kind: str,
        body: Json,
        *,
        owner: str = "",
        subject: str | None = None,
        grouping: str | None = None,
    ) -> None:
        """Keep a new API object under its own `id`; `subject` and `grouping` are what lists filter by."""
        self.run(
            "INSERT INTO objects (kind, id, owner, created, subject, grouping, body)"
            " VALUES (:kind, :id, :owner, :created, :subject, :grouping, :body)",
            {
                "kind": kind, "id": body["id"], "owner": owner, "created": body["created"],
                "subject": subject, "grouping": grouping, "body": json.dumps(body),
            },
        )  # fmt: skip

    def save(self, body: Json) -> None:
        """Write the changed object back."""
        self.run(
            "UPDATE objects SET body = :body WHERE id = :id", {"id": body["id"], "body": json.dumps(body)}
        )

    def find(self, kind: str, object_id: str, *, owner: str = "") -> Json | None:
        """The object of that kind, id and owner (empty: the platform), or None."""
        row = self.row(
            "SELECT body FROM objects WHERE id = :id AND kind = :kind AND owner = :owner",
            {"id": object_id, "kind": kind, "owner": owner},
        )
        return decoded(row["body"]) if row else None

    def remove(self, object_id: str) -> None:
        """Delete the object."""
        self.run("DELETE FROM objects WHERE id = :id", {"id": object_id})


def decoded(text: str) -> Json:
    """The JSON object stored in a column."""
    body: Json = json.loads(text)
    return body
