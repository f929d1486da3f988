"""The ledger: double entry, append-only, integer minor units.

A posting moves an amount from one account to another, so every transaction balances by construction. A mistake gets
an opposite transaction that names the first. Balances are cached in the same transaction and can be rebuilt.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from sqlalchemy import BigInteger, CheckConstraint, Table, Text, func, select, update
from sqlmodel import Field, SQLModel, col

from core import bulk
from core.clock import now
from core.columns import key, minor, moment
from core.db import session, update_one
from core.errors import Conflict
from core.ids import new_ids
from core.immutable import never_changed
from core.rollups import grow

CHUNK = 500
STRIPE = "stripe:transferred"
"""what left us through Stripe"""
BANK = "bank:transferred"
"""what left us by bank files"""
KIND = "kind:handed_out"
"""what left us as perks that were given instead of money"""
LEFT = {"stripe": STRIPE, "bank": BANK, "perk": KIND}
"""provider → where its payouts went"""
_NEVER_NEGATIVE = ":reserved"


class LedgerTransaction(SQLModel, table=True):
    """Why money moved; `key` says it only once."""

    __tablename__ = "ledger_transaction"

    id: str = key()
    key: str = Field(unique=True, sa_type=Text)
    kind: str = Field(sa_type=Text)
    """reward.granted, payout.sent …"""
    subject: str = Field(index=True, sa_type=Text)
    """the id of the reward or payout"""
    occurred_at: datetime = moment()
    posted_at: datetime = moment(now)
    reverses_id: str | None = Field(default=None, foreign_key="ledger_transaction.id", sa_type=Text)


class Posting(SQLModel, table=True):
    """One movement from account to account."""

    __tablename__ = "posting"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount"),
        CheckConstraint("source <> destination", name="moves"),
    )

    id: str = key()
    transaction_id: str = Field(foreign_key="ledger_transaction.id", index=True, sa_type=Text)
    source: str = Field(index=True, sa_type=Text)
    destination: str = Field(index=True, sa_type=Text)
    amount_minor: int = minor()
    currency: str = Field(sa_type=Text)


class CachedBalance(SQLModel, table=True):
    """What an account holds, kept beside the journal; `version` counts the postings behind it."""

    __tablename__ = "ledger_balance"
    __table_args__ = (
        # Escaped, because a colon begins a parameter.
        CheckConstraint(rf"account NOT LIKE '%\{_NEVER_NEGATIVE}' OR balance_minor >= 0", name="overdraft"),
        {"sqlite_with_rowid": False},
    )

    account: str = Field(primary_key=True, sa_type=Text)
    currency: str = Field(primary_key=True, sa_type=Text)
    balance_minor: int = minor(0)
    version: int = Field(default=0, sa_type=BigInteger)


_BALANCES = cast("Table", CachedBalance.__table__)  # type: ignore[attr-defined]  # every table has one


@dataclass(frozen=True)
class Movement:
    """So much from `source` to `destination`."""

    source: str
    destination: str
    amount_minor: int
    currency: str


@dataclass(frozen=True)
class Entry:
    """A transaction to post."""

    key: str
    kind: str
    subject: str
    movements: tuple[Movement, ...]
    occurred_at: datetime = field(default_factory=now)
    reverses_id: str | None = None
    covered: bool = False
    """whether its sources have to hold what it takes, as reserves always have"""


class Overdraft(Conflict):
    """There is not enough on this account."""


class KeyReused(Conflict):
    """This ledger key was already used for something else."""


def expense(programme_id: str) -> str:
    """Where a programme's rewards come from; its balance is minus what they cost."""
    return f"programme:{programme_id}:expense"


def pending(membership_id: str) -> str:
    """Earned, not approved."""
    return f"advocate:{membership_id}:pending"


def payable(membership_id: str) -> str:
    """Approved, not yet in a payout; negative when more was clawed back than is owed."""
    return f"advocate:{membership_id}:payable"


def reserved(membership_id: str) -> str:
    """In a payout that has not been sent; never negative."""
    return f"advocate:{membership_id}:reserved"


def points(membership_id: str) -> str:
    """Points credited."""
    return f"advocate:{membership_id}:points"


def spent(programme_id: str) -> str:
    """Points that were spent on a programme's perks."""
    return f"programme:{programme_id}:spent"


def accounts_of(membership_id: str) -> tuple[str, str, str, str]:
    """Every account of an advocate."""
    return pending(membership_id), payable(membership_id), reserved(membership_id), points(membership_id)


def member_of(account: str) -> str | None:
    """Whose an account is; None when it is no advocate's."""
    kind, _, rest = account.partition(":")
    return rest.partition(":")[0] if kind == "advocate" else None


def post(entry: Entry) -> bool:
    """Post one transaction; False when its key was posted before. Raises Overdraft, KeyReused."""
    return post_all([entry]) == 1


def post_all(entries: Sequence[Entry]) -> int:
    """Post many transactions at once; those whose key is known are left out. Answers how many were new.

    Raises Overdraft when an account that must not go negative would, KeyReused when a known key means another thing.
    """
    new: list[Entry] = []
    for start in range(0, len(entries), CHUNK):
        new += _store(entries[start : start + CHUNK])
    _move_balances(new)
    return len(new)


@dataclass
class _NewTransaction:
    key: str
    kind: str
    subject: str
    occurred_at: datetime
    posted_at: datetime
    reverses_id: str | None
    id: str


@dataclass
class _NewPosting:
    transaction_id: str
    source: str
    destination: str
    amount_minor: int
    currency: str
    id: str


def _store(entries: Sequence[Entry]) -> list[Entry]:
    at = now()
    rows = [
        _NewTransaction(each.key, each.kind, each.subject, each.occurred_at, at, each.reverses_id, key)
        for each, key in zip(entries, new_ids(len(entries)), strict=True)
    ]
    pairs = list(zip(rows, entries, strict=True))
    if bulk.store_new(LedgerTransaction, rows) < len(rows):
        ids = select(col(LedgerTransaction.id)).where(
            col(LedgerTransaction.id).in_([each.id for each in rows])
        )
        stored = set(session().execute(ids).scalars())
        for known in (entry for row, entry in pairs if row.id not in stored):
            _require_same(known)
        pairs = [(row, entry) for row, entry in pairs if row.id in stored]
    moves = [(row.id, each) for row, entry in pairs for each in entry.movements]
    postings = [
        _NewPosting(row_id, each.source, each.destination, each.amount_minor, each.currency, key)
        for (row_id, each), key in zip(moves, new_ids(len(moves)), strict=True)
    ]
    bulk.store(Posting, postings)
    return [entry for _, entry in pairs]


def _require_same(entry: Entry) -> None:
    journal = (
        select(Posting.source, Posting.destination, Posting.amount_minor, Posting.currency)  # type: ignore[call-overload]  # SQLAlchemy's select over SQLModel attributes
        .join(LedgerTransaction, col(LedgerTransaction.id) == col(Posting.transaction_id))
        .where(col(LedgerTransaction.key) == entry.key)
    )
    stored = Counter(Movement(*row) for row in session().execute(journal))
    if stored != Counter(entry.movements):
        raise KeyReused(details={"key": entry.key})


def _move_balances(entries: Iterable[Entry]) -> None:
    changes: dict[tuple[str, str], list[int]] = {}
    entries = list(entries)
    covered = {each.source for entry in entries if entry.covered for each in entry.movements}
    for movement in (each for entry in entries for each in entry.movements):
        for account, amount in (
            (movement.source, -movement.amount_minor),
            (movement.destination, movement.amount_minor),
        ):
            change = changes.setdefault((account, movement.currency), [0, 0])
            change[0] += amount
            change[1] += 1
    # Sorted: two transactions that touch the same accounts take them in the same order.
    taken = {
        place for place, (amount, _) in changes.items()
        if amount < 0 and (place[0].endswith(_NEVER_NEGATIVE) or place[0] in covered)
    }  # fmt: skip
    free = [(*place, *change) for place, change in sorted(changes.items()) if place not in taken]
    grow(_BALANCES, free, sums=("balance_minor", "version"))
    for place in sorted(taken):
        amount, count = changes[place]
        _take(*place, -amount, count)


def _take(account: str, currency: str, amount_minor: int, count: int) -> None:
    enough = update(CachedBalance).where(
        col(CachedBalance.account) == account,
        col(CachedBalance.currency) == currency,
        col(CachedBalance.balance_minor) >= amount_minor,
    )
    taken = enough.values(
        balance_minor=CachedBalance.balance_minor - amount_minor, version=CachedBalance.version + count
    )
    if not update_one(taken.execution_options(synchronize_session=False)):
        raise Overdraft(details={"account": account, "currency": currency})


def balance(account: str, currency: str) -> int:
    """What an account holds, in minor units: one row, however many postings are behind it."""
    held = select(col(CachedBalance.balance_minor)).where(
        col(CachedBalance.account) == account, col(CachedBalance.currency) == currency
    )
    return session().execute(held).scalar() or 0


def balances(accounts: Sequence[str]) -> dict[tuple[str, str], int]:
    """(account, currency) → balance of these accounts, where anything was ever posted."""
    held = select(
        col(CachedBalance.account), col(CachedBalance.currency), col(CachedBalance.balance_minor)
    ).where(col(CachedBalance.account).in_(accounts))
    return {(account, currency): amount for account, currency, amount in session().execute(held)}


def journal_balances() -> dict[tuple[str, str], int]:
    """(account, currency) → balance summed from the journal, for proving and rebuilding the cache."""
    summed: dict[tuple[str, str], int] = {}
    for side, sign in ((col(Posting.source), -1), (col(Posting.destination), 1)):
        total = select(side, col(Posting.currency), func.sum(col(Posting.amount_minor))).group_by(
            side, col(Posting.currency)
        )
        for account, currency, amount in session().execute(total):
            place = (account, currency)
            summed[place] = summed.get(place, 0) + sign * int(amount)
    return summed


def problems() -> list[str]:
    """Where cached balances differ from the journal, or a transaction moves nothing, as sentences; none is the proof."""
    journal = journal_balances()
    cached = {
        (row.account, row.currency): row.balance_minor
        for row in session().execute(select(CachedBalance)).scalars()
    }
    found = [
        f"account {account} in {currency}: the journal says {journal.get((account, currency), 0)}, "
        f"the balance {cached.get((account, currency), 0)}"
        for account, currency in sorted(journal.keys() | cached.keys())
        if journal.get((account, currency), 0) != cached.get((account, currency), 0)
    ]
    moved = select(col(Posting.id)).where(col(Posting.transaction_id) == col(LedgerTransaction.id))
    empty = select(col(LedgerTransaction.id)).where(~moved.exists())
    return found + [f"transaction {each} moves nothing" for each in session().execute(empty).scalars()]


never_changed(LedgerTransaction)
never_changed(Posting)
