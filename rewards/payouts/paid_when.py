"""When a payment was made, or came back: when it was booked. Statements, invoices, sums of a year and what authorities are told agree in it."""

from datetime import datetime

from sqlalchemy import ScalarSelect, Subquery, case, literal, select
from sqlmodel import col

from rewards.ledger.ledger import LedgerTransaction, Posting
from rewards.payouts.runs import Payout

SENT, REVERSED = "payout.sent", "payout.reversed"


def paid_at() -> ScalarSelect[datetime]:
    """The moment over a query's Payout; NULL where nothing has gone out.

    Not `Payout.sent_at`: an answer that is found out hours later would be of a month, or a year, that is told already.
    """
    booked = col(LedgerTransaction.key) == literal(f"{SENT}:") + col(Payout.id)
    return select(col(LedgerTransaction.posted_at)).where(booked).correlate(Payout).scalar_subquery()


def payments_between(programme_id: str, begins_at: datetime, ends_at: datetime) -> Subquery:
    """What was paid in a span, and what came back in it: member_id, currency, amount, payments, at.

    What comes back is negative, of the day on which finance says so, and takes a payment back only when all of it came:
    what a year that is over was told of stays as it was.
    """
    back = col(LedgerTransaction.kind) == REVERSED
    whole = col(LedgerTransaction.key) == literal(f"{REVERSED}:") + col(Payout.id)
    return (
        select(
            col(Payout.membership_id).label("member_id"),
            col(Posting.currency).label("currency"),
            case((back, -col(Posting.amount_minor)), else_=col(Posting.amount_minor)).label("amount"),
            case((whole, -1), (back, 0), else_=1).label("payments"),
            col(LedgerTransaction.posted_at).label("at"),
        )
        .join(LedgerTransaction, col(LedgerTransaction.subject) == col(Payout.id))
        .join(Posting, col(Posting.transaction_id) == col(LedgerTransaction.id))
        .where(
            col(Payout.programme_id) == programme_id,
            col(LedgerTransaction.kind).in_((SENT, REVERSED)),
            col(LedgerTransaction.posted_at) >= begins_at,
            col(LedgerTransaction.posted_at) < ends_at,
        )
        .subquery()
    )
