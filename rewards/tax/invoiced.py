"""What invoices are about: payments that none is over yet, and what came back of them since."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Text, select
from sqlmodel import Field, SQLModel, col

from core.db import session
from core.money import Money
from hub.programmes import Programme
from rewards.ledger.ledger import LedgerTransaction, Posting
from rewards.payouts.runs import Payout
from rewards.tax.self_billing import Agreement

PAID = "payout.sent"
CAME_BACK = "payout.reversed"


class InvoicedBooking(SQLModel, table=True):
    """A booking and the invoice or credit note that it is on: never on two."""

    __tablename__ = "invoiced_booking"

    transaction_id: str = Field(primary_key=True, foreign_key="ledger_transaction.id", sa_type=Text)
    invoice_id: str = Field(foreign_key="self_billed_invoice.id", index=True, sa_type=Text)


@dataclass(frozen=True)
class Booking:
    """A payment, or what came back of one: then its amount is negative."""

    transaction_id: str
    payout_id: str
    membership_id: str
    amount: Money
    posted_at: datetime


def total(bookings: Iterable[Booking]) -> int:
    """What they come to, in minor units."""
    return sum(each.amount.amount_minor for each in bookings)


def payments(programme: Programme, begins_at: datetime, ends_at: datetime) -> list[Booking]:
    """What was paid in a span to advocates who ever agreed, and no invoice is over."""
    return _open(PAID, programme, begins_at, ends_at)


def returns(programme: Programme, begins_at: datetime, ends_at: datetime) -> list[Booking]:
    """What came back in a span from advocates who ever agreed, and no invoice or credit note is over."""
    return _open(CAME_BACK, programme, begins_at, ends_at)


def _open(kind: str, programme: Programme, begins_at: datetime, ends_at: datetime) -> list[Booking]:
    on_one = select(col(InvoicedBooking.transaction_id)).where(
        col(InvoicedBooking.transaction_id) == col(LedgerTransaction.id)
    )
    moved = (
        select(
            col(LedgerTransaction.id),
            col(Payout.id),
            col(Payout.membership_id),
            col(Posting.amount_minor),
            col(Posting.currency),
            col(LedgerTransaction.posted_at),
        )
        .join(Posting, col(Posting.transaction_id) == col(LedgerTransaction.id))
        .join(Payout, col(Payout.id) == col(LedgerTransaction.subject))
        .where(
            col(LedgerTransaction.kind) == kind,
            col(LedgerTransaction.posted_at) >= begins_at,
            col(LedgerTransaction.posted_at) < ends_at,
            col(Payout.programme_id) == programme.id,
            col(Payout.membership_id).in_(select(col(Agreement.membership_id))),
            ~on_one.exists(),
        )
        .order_by(col(LedgerTransaction.posted_at), col(LedgerTransaction.id))
    )
    sign = -1 if kind == CAME_BACK else 1
    return [
        Booking(entry, payout, member, Money(sign * amount, currency), at)
        for entry, payout, member, amount, currency, at in session().execute(moved)
    ]


def invoices_over(payout_ids: Iterable[str]) -> Mapping[str, str]:
    """Payout → the id of the invoice that is over its payment, where there is one."""
    paid = (
        select(col(LedgerTransaction.subject), col(InvoicedBooking.invoice_id))
        .join(InvoicedBooking, col(InvoicedBooking.transaction_id) == col(LedgerTransaction.id))
        .where(col(LedgerTransaction.kind) == PAID, col(LedgerTransaction.subject).in_(sorted(payout_ids)))
    )
    return dict(session().execute(paid).all())


def put_on(invoice_id: str, bookings: Iterable[Booking]) -> None:
    """Write down that an invoice is over these; raises IntegrityError where another one is."""
    session().add_all(
        InvoicedBooking(transaction_id=each.transaction_id, invoice_id=invoice_id) for each in bookings
    )
    session().flush()
