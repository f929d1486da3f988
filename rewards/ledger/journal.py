"""What the ledger says about a reward: every movement of it, and of the payout that it is in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select

from core.db import session
from core.money import Money
from rewards.ledger.ledger import LedgerTransaction, Posting

MOST = 200
"""movements on one page"""


@dataclass(frozen=True)
class Booked:
    """A movement with why and when; accounts by what they hold: pending, payable, expense …"""

    subject: str
    kind: str
    at: datetime
    source: str
    destination: str
    amount: Money


def about(subjects: Sequence[str]) -> list[Booked]:
    """The movements about rewards or payouts with these ids, the oldest first."""
    wanted = (
        select(LedgerTransaction, Posting)
        .join(Posting, col(Posting.transaction_id) == col(LedgerTransaction.id))
        .where(col(LedgerTransaction.subject).in_(subjects))
        .order_by(col(LedgerTransaction.posted_at), col(LedgerTransaction.id), col(Posting.id))
        .limit(MOST)
    )
    return [
        Booked(
            subject=made.subject,
            kind=made.kind,
            at=made.posted_at,
            source=_holds(posting.source),
            destination=_holds(posting.destination),
            amount=Money(posting.amount_minor, posting.currency),
        )
        for made, posting in session().exec(wanted)
    ]


def _holds(account: str) -> str:
    """The last word of an account's name says what it holds."""
    return account.rpartition(":")[2]
