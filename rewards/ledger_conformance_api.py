"""Doors for other people's ledger conformance kits: `/_lck/reset|post|balance|journal`, only where LEDGER_CONFORMANCE says so.

They talk to the very ledger that holds the money. It is append-only, so a reset begins a chapter of its own instead of
deleting: keys and accounts of the chapters before are out of reach. Production refuses the setting.
"""

from collections import defaultdict, deque
from collections.abc import Sequence

from flask import Blueprint, Response, jsonify
from pydantic import Field
from sqlmodel import col, select

from core.clock import now
from core.db import session
from core.errors import Invalid, NotFound
from core.inputs import Currency, Input, Key
from core.money import require_currency
from core.settings import settings
from rewards.ledger import ledger
from rewards.ledger.ledger import Entry, LedgerTransaction, Movement, Posting
from web.forms import read_query
from web.json_in import read_json
from web.protection import csrf

door = Blueprint("ledger_conformance", __name__)
csrf.exempt(door)

_CHAPTERS = "lck:chapters"
MOST = 10**15
"""minor units in one entry"""


class NotBalanced(Invalid):
    """The entries of a transaction sum to zero in each currency, and none of them is zero."""


class EntryIn(Input):
    """So much for an account; negative takes from it."""

    account: Key
    amount: int = Field(strict=True, ge=-MOST, le=MOST)
    currency: Currency


class TransactionIn(Input):
    """What is posted once, by its key."""

    key: Key
    entries: list[EntryIn] = Field(min_length=2, max_length=100)


class BalanceQuery(Input):
    """Which balance; an account whose name ends in `:reserved` never goes below zero."""

    account: Key
    currency: Currency


@door.before_request
def only_where_wanted() -> None:
    """Everywhere else there is nothing here."""
    if not settings().ledger_conformance:
        raise NotFound


@door.post("/_lck/reset")
def reset() -> tuple[Response, int]:
    """Begin with an empty ledger."""
    chapter = _chapter() + 1
    move = Movement("lck:nowhere", _CHAPTERS, 1, "EUR")
    ledger.post(Entry(f"lck:chapter:{chapter}", "lck.reset", str(chapter), (move,)))
    return jsonify(chapter=chapter), 201


@door.post("/_lck/post")
def post() -> tuple[Response, int]:
    """Post a transaction: 201, or 200 when this very one was posted before; 409 for another under its key or an overdraft."""
    wanted, chapter = read_json(TransactionIn), _chapter()
    movements = tuple(_movements(wanted.entries, chapter))
    entry = Entry(f"lck:{chapter}:{wanted.key}", "lck.posted", wanted.key, movements, occurred_at=now())
    return jsonify(key=wanted.key), 201 if ledger.post(entry) else 200


@door.get("/_lck/balance")
def balance() -> Response:
    """What an account holds, in minor units."""
    asked = read_query(BalanceQuery)
    held = ledger.balance(_account(asked.account, _chapter()), asked.currency)
    return jsonify(account=asked.account, currency=asked.currency, balance=held)


@door.get("/_lck/journal")
def journal() -> Response:
    """Every transaction since the reset, the oldest first, with its entries."""
    chapter = _chapter()
    begins = _account("", chapter)
    rows = session().exec(
        select(LedgerTransaction, Posting)
        .where(LedgerTransaction.id == Posting.transaction_id)
        .where(col(LedgerTransaction.key).startswith(begins, autoescape=True))
        .order_by(col(LedgerTransaction.id), col(Posting.id))
    )
    told: dict[str, list[dict[str, object]]] = defaultdict(list)
    for made, posting in rows:
        for account, amount in (
            (posting.source, -posting.amount_minor),
            (posting.destination, posting.amount_minor),
        ):
            told[made.subject].append(
                {"account": account.removeprefix(begins), "amount": amount, "currency": posting.currency}
            )
    return jsonify(transactions=[{"key": key, "entries": entries} for key, entries in told.items()])


def _chapter() -> int:
    return ledger.balance(_CHAPTERS, "EUR")


def _account(name: str, chapter: int) -> str:
    return f"lck:{chapter}:{name}"


def _movements(entries: Sequence[EntryIn], chapter: int) -> list[Movement]:
    """The entries as movements from whoever gives to whoever takes; raises NotBalanced, UnknownCurrency."""
    movements = []
    for currency in dict.fromkeys(require_currency(each.currency) for each in entries):
        own = [each for each in entries if each.currency == currency]
        if sum(each.amount for each in own) or not all(each.amount for each in own):
            raise NotBalanced
        giving = deque((each.account, -each.amount) for each in own if each.amount < 0)
        for each in own:
            rest = each.amount
            while rest > 0:
                source, left = giving.popleft()
                part = min(rest, left)
                movements.append(
                    Movement(_account(source, chapter), _account(each.account, chapter), part, currency)
                )
                rest -= part
                if left > part:
                    giving.appendleft((source, left - part))
    if any(each.source == each.destination for each in movements):
        raise NotBalanced
    return movements
