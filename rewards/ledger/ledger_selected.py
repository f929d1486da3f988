"""Postings by the thousand: what a SELECT names is posted by three statements, inside the database."""

from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, insert, literal, select, true, union_all
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from core.clock import now
from core.columns import UtcDateTime
from core.db import dialect, run
from core.ids_in_sql import FreshId
from core.rollups import table_of
from rewards.ledger.ledger import CachedBalance, LedgerTransaction, Posting


class Selected(NamedTuple):
    """Columns of the rows of a table: each row becomes a transaction of one movement, by a key that is new.

    The transaction has the id of its subject, which saves looking it up for the posting: one a subject can be posted so.
    """

    where: ColumnElement[bool]
    key: ColumnElement[str]
    subject: ColumnElement[str]
    source: ColumnElement[str]
    destination: ColumnElement[str]
    amount: ColumnElement[int]
    currency: ColumnElement[str]


def account_of(member_id: ColumnElement[str], account: Callable[[str], str]) -> ColumnElement[str]:
    """The name of a member's account, as `ledger.payable` and the others make it, inside a SELECT."""
    before, _, after = account("\0").partition("\0")
    return literal(before) + member_id + literal(after)


def post_selected(kind: str, rows: Selected) -> int:
    """Post a transaction for each row; answers how many.

    Raises IntegrityError when a key was used before, or when an account would be overdrawn that never may.
    """
    at = literal(now(), UtcDateTime())
    new = select(rows.subject, rows.key, literal(kind), rows.subject, at, at).where(rows.where)
    names = ["id", "key", "kind", "subject", "occurred_at", "posted_at"]
    run(insert(table_of(LedgerTransaction)).from_select(names, new))
    _move_balances(rows)
    return _store_postings(rows)


def _store_postings(rows: Selected) -> int:
    moves = select(FreshId(), rows.subject, rows.source, rows.destination, rows.amount, rows.currency)
    names = ["id", "transaction_id", "source", "destination", "amount_minor", "currency"]
    return run(insert(table_of(Posting)).from_select(names, moves.where(rows.where)))


def _move_balances(rows: Selected) -> None:
    sides = [
        select(account.label("account"), rows.currency.label("currency"), amount.label("amount")).where(
            rows.where
        )
        for account, amount in ((rows.source, -rows.amount), (rows.destination, rows.amount))
    ]
    moved = union_all(*sides).subquery().c
    sums = (
        select(moved.account, moved.currency, func.sum(moved.amount), func.count())
        .where(true())  # by it SQLite tells ON CONFLICT from a join's ON
        .group_by(moved.account, moved.currency)
        .order_by(moved.account, moved.currency)  # in one order everywhere, as ledger.post_all
    )
    balances = table_of(CachedBalance)
    names = ["account", "currency", "balance_minor", "version"]
    add: Any = (pg_insert if dialect() == "postgresql" else sqlite_insert)(balances).from_select(names, sums)
    grown = {name: balances.c[name] + add.excluded[name] for name in ("balance_minor", "version")}
    run(add.on_conflict_do_update(index_elements=["account", "currency"], set_=grown))
