"""When a payment was made: when it was booked. Statements, invoices, sums of a year and what authorities are told agree in it."""

from datetime import datetime

from sqlalchemy import ScalarSelect, literal, select
from sqlmodel import col

from rewards.ledger.ledger import LedgerTransaction
from rewards.payouts.runs import Payout


def paid_at() -> ScalarSelect[datetime]:
    """The moment over a query's Payout; NULL where nothing has gone out.

    Not `Payout.sent_at`: an answer that is found out hours later would be of a month, or a year, that is told already.
    """
    booked = col(LedgerTransaction.key) == literal("payout.sent:") + col(Payout.id)
    return select(col(LedgerTransaction.posted_at)).where(booked).correlate(Payout).scalar_subquery()
