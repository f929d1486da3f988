"""The shop's orders and refunds, in a SQLite file."""

import json
import secrets
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sandbox.shop import clock
from sandbox.shop.catalogue import PRODUCTS

Value: TypeAlias = str | int | None

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, number TEXT NOT NULL UNIQUE, occurred_at TEXT NOT NULL, name TEXT NOT NULL,
    email TEXT NOT NULL, click TEXT, coupon TEXT, lines TEXT NOT NULL, amount_minor INTEGER NOT NULL,
    report_status INTEGER, report_text TEXT);
CREATE TABLE IF NOT EXISTS refunds (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, number TEXT NOT NULL UNIQUE, order_number TEXT NOT NULL,
    occurred_at TEXT NOT NULL, amount_minor INTEGER NOT NULL CHECK (amount_minor > 0), reason TEXT NOT NULL,
    report_status INTEGER, report_text TEXT);
"""


@dataclass(frozen=True)
class Line:
    """So many of one product."""

    sku: str
    quantity: int

    @property
    def amount_minor(self) -> int:
        """Price times quantity, in cents."""
        return PRODUCTS[self.sku].price_minor * self.quantity


@dataclass(frozen=True)
class Refund:
    """Money given back for an order."""

    number: str
    order_number: str
    occurred_at: str
    amount_minor: int
    reason: str
    report_status: int | None  # what Spokes answered; 0: it could not be reached; None: not tried yet
    report_text: str | None


@dataclass(frozen=True)
class Order:
    """What one customer bought at once."""

    number: str
    occurred_at: str
    name: str
    email: str
    click: str | None
    coupon: str | None
    lines: tuple[Line, ...]
    amount_minor: int
    report_status: int | None  # as above
    report_text: str | None
    refunds: tuple[Refund, ...] = ()

    @property
    def left_minor(self) -> int:
        """What has not been refunded, in cents."""
        return self.amount_minor - sum(refund.amount_minor for refund in self.refunds)


class OrderBook:
    """All orders; safe for several threads."""

    def __init__(self, path: str = ":memory:") -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.executescript(SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def place(
        self, name: str, email: str, lines: list[Line], *, click: str | None, coupon: str | None
    ) -> str:
        """Keep a new order; its number."""
        number = _new_number()
        self._run(
            "INSERT INTO orders (number, occurred_at, name, email, click, coupon, lines, amount_minor)"
            " VALUES (:number, :occurred_at, :name, :email, :click, :coupon, :lines, :amount_minor)",
            {
                "number": number, "occurred_at": _now(), "name": name, "email": email, "click": click,
                "coupon": coupon, "lines": json.dumps([[line.sku, line.quantity] for line in lines]),
                "amount_minor": sum(line.amount_minor for line in lines),
            },
        )  # fmt: skip
        return number

    def refund(self, order_number: str, amount_minor: int, reason: str) -> str | None:
        """Keep a refund; its number, or None when more than is left would be given back."""
        number = _new_number("R-")
        kept = self._run(
            "INSERT INTO refunds (number, order_number, occurred_at, amount_minor, reason)"
            " SELECT :number, number, :occurred_at, :amount_minor, :reason FROM orders"
            " WHERE number = :order_number AND :amount_minor > 0 AND :amount_minor <= amount_minor"
            " - (SELECT coalesce(sum(amount_minor), 0) FROM refunds WHERE order_number = :order_number)",
            {
                "number": number, "order_number": order_number, "occurred_at": _now(), "amount_minor": amount_minor,
                "reason": reason,
            },
        )  # fmt: skip
        return number if kept == 1 else None

    def note_report(self, number: str, status: int, text: str) -> None:
        """Keep what Spokes answered to the report of an order or refund."""
        values: dict[str, Value] = {"number": number, "status": status, "text": text}
        self._run(
            "UPDATE orders SET report_status = :status, report_text = :text WHERE number = :number", values
        )
        self._run(
            "UPDATE refunds SET report_status = :status, report_text = :text WHERE number = :number", values
        )

    def find(self, number: str) -> Order | None:
        """The order with its refunds, or None."""
        found = self._rows("SELECT * FROM orders WHERE number = :number", {"number": number})
        return self._order(found[0]) if found else None

    def newest(self, limit: int = 100) -> list[Order]:
        """The newest orders, newest first."""
        return [
            self._order(row)
            for row in self._rows("SELECT * FROM orders ORDER BY seq DESC LIMIT :limit", {"limit": limit})
        ]

    def _order(self, row: sqlite3.Row) -> Order:
        refunds = self._rows(
            "SELECT number, order_number, occurred_at, amount_minor, reason, report_status, report_text FROM refunds"
            " WHERE order_number = :number ORDER BY seq",
            {"number": row["number"]},
        )
        kept = {name: row[name] for name in row.keys() if name not in {"seq", "lines"}}  # noqa: SIM118 - a Row iterates over values
        lines = tuple(Line(sku, quantity) for sku, quantity in json.loads(row["lines"]))
        return Order(**kept, lines=lines, refunds=tuple(Refund(*refund) for refund in refunds))

    def _run(self, sql: str, values: Mapping[str, Value]) -> int:
        with self._lock:
            return self._connection.execute(sql, values).rowcount

    def _rows(self, sql: str, values: Mapping[str, Value]) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()


def _new_number(prefix: str = "") -> str:
    # Random, since Spokes remembers external ids longer than a shop whose file was thrown away.
    return f"{prefix}{secrets.token_hex(4).upper()}"


def _now() -> str:
    return clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
