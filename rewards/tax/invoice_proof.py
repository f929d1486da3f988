"""The proof of self-billed invoices: each is what its bookings come to, and what should be on one is."""

from collections.abc import Iterator

from sqlalchemy import case, func, select
from sqlmodel import col

from core.db import session
from hub.programmes import Programme, get_programme
from rewards.ledger.ledger import LedgerTransaction, Posting
from rewards.statements.statement_documents import ClosedMonth, written_with
from rewards.tax.invoiced import CAME_BACK, InvoicedBooking
from rewards.tax.invoices import Invoice, to_correct, to_invoice
from rewards.tax.self_billing import issuer_of


def problems() -> list[str]:
    """Every invoice whose sum is another, and everything that the last closing should have written, as sentences."""
    return [*_other_sums(), *_missing()]


def _other_sums() -> Iterator[str]:
    signed = case(
        (col(LedgerTransaction.kind) == CAME_BACK, -col(Posting.amount_minor)),
        else_=col(Posting.amount_minor),
    )
    booked = func.coalesce(func.sum(signed), 0)
    sums = (
        select(col(Invoice.number), col(Invoice.gross_minor), booked)
        .outerjoin(InvoicedBooking, col(InvoicedBooking.invoice_id) == col(Invoice.id))
        .outerjoin(LedgerTransaction, col(LedgerTransaction.id) == col(InvoicedBooking.transaction_id))
        .outerjoin(Posting, col(Posting.transaction_id) == col(LedgerTransaction.id))
        .group_by(col(Invoice.number), col(Invoice.gross_minor))
        .having(booked != col(Invoice.gross_minor))
        .order_by(col(Invoice.number))
    )
    for number, gross, amount in session().execute(sums):
        yield f"invoice {number} is over {gross}, its bookings are {amount}"


def _missing() -> Iterator[str]:
    """A programme's first closing writes none; what a form or an issuer brings that came since is the next closing's."""
    newest = select(col(ClosedMonth.programme_id), func.max(col(ClosedMonth.month)))
    closings = newest.group_by(col(ClosedMonth.programme_id)).having(func.count() > 1)
    for programme_id, closed in session().execute(closings).all():
        programme = get_programme(programme_id)
        for month in written_with(closed):
            yield from _missing_of(programme, month, session().get_one(ClosedMonth, (programme_id, closed)))


def _missing_of(programme: Programme, month: str, last: ClosedMonth) -> Iterator[str]:
    issuer = issuer_of(programme.unit_id)
    wanted = to_invoice(programme, month) if issuer is not None and issuer.changed_at < last.closed_at else []
    for each in wanted:
        if each.form.decided_at is not None and each.form.decided_at < last.closed_at:
            paid = ", ".join(booking.payout_id for booking in each.bookings)
            yield f"no invoice of {month} is over what was paid to advocate {each.member.number} ({paid})"
    for note in to_correct(programme, month):
        yield f"no credit note of {month} corrects invoice {note.invoice.number}"
