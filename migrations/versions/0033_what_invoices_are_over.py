"""Invoices name the bookings that they are over, credit notes the invoice that they correct; a month may have a second invoice."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_ENTRY = sa.table(
    "ledger_transaction",
    sa.column("id"),
    sa.column("kind"),
    sa.column("posted_at", sa.DateTime(timezone=True)),
)
_POSTING = sa.table(
    "posting", sa.column("transaction_id"), sa.column("source"), sa.column("destination"), sa.column("amount_minor"), sa.column("currency")
)  # fmt: skip
_AGREEMENT = sa.table(
    "self_billing_agreement",
    sa.column("membership_id"),
    sa.column("agreed_at", sa.DateTime(timezone=True)),
    sa.column("ended_at", sa.DateTime(timezone=True)),
)
_BOOKING = sa.table("invoiced_booking", sa.column("transaction_id"), sa.column("invoice_id"))


def upgrade() -> None:
    op.create_table(
        "invoiced_booking",
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["ledger_transaction.id"], name=op.f("fk_invoiced_booking_transaction_id_ledger_transaction")
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["self_billed_invoice.id"], name=op.f("fk_invoiced_booking_invoice_id_self_billed_invoice")
        ),
        sa.PrimaryKeyConstraint("transaction_id", name=op.f("pk_invoiced_booking")),
    )  # fmt: skip
    op.create_index("ix_invoiced_booking_invoice_id", "invoiced_booking", ["invoice_id"])
    with op.batch_alter_table("self_billed_invoice") as changed:
        changed.add_column(sa.Column("corrects", sa.Text(), nullable=True))
        changed.create_foreign_key(
            op.f("fk_self_billed_invoice_corrects_self_billed_invoice"), "self_billed_invoice", ["corrects"], ["number"]
        )  # fmt: skip
        changed.drop_constraint(op.f("uq_self_billed_invoice_membership_id_month_currency"), type_="unique")
        changed.create_index("ix_self_billed_invoice_corrects", ["corrects"])
    written = sa.text(
        "SELECT i.id, i.membership_id, i.month, i.currency, i.gross_minor, p.time_zone FROM self_billed_invoice i"
        " JOIN membership m ON m.id = i.membership_id JOIN programme p ON p.id = m.programme_id"
    )
    for invoice in op.get_bind().execute(written).all():
        rows = [{"transaction_id": each, "invoice_id": invoice.id} for each in _booked(invoice)]
        if rows:
            op.bulk_insert(_BOOKING, rows)


def _booked(invoice: sa.Row[Any]) -> list[str]:
    """What moved in its month while an agreement was in force, as invoices were written until now: as far as it makes the sum."""
    moved = list(_moved(invoice))
    sums = [sum(amount for _id, amount in moved[:count]) for count in range(len(moved) + 1)]
    fits = [count for count, amount in enumerate(sums) if amount == invoice.gross_minor]
    return [each for each, _amount in moved[: fits[-1] if fits else len(moved)]]


def _moved(invoice: sa.Row[Any]) -> Iterable[tuple[str, int]]:
    zone, first = ZoneInfo(invoice.time_zone), date.fromisoformat(f"{invoice.month}-01")
    after = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    begins_at, ends_at = (
        datetime.combine(each, time.min, tzinfo=zone).astimezone(UTC) for each in (first, after)
    )
    mine = [f"advocate:{invoice.membership_id}:{each}" for each in ("pending", "payable", "reserved")]
    movements = (
        sa.select(_ENTRY.c.id, _ENTRY.c.kind, _ENTRY.c.posted_at, _POSTING.c.amount_minor)
        .join_from(_ENTRY, _POSTING, _POSTING.c.transaction_id == _ENTRY.c.id)
        .where(
            _ENTRY.c.kind.in_(("payout.sent", "payout.reversed")),
            _POSTING.c.currency == invoice.currency,
            sa.or_(_POSTING.c.source.in_(mine), _POSTING.c.destination.in_(mine)),
        )
        .order_by(_ENTRY.c.posted_at, _ENTRY.c.id)
    )
    agreed = sa.select(_AGREEMENT.c.agreed_at, _AGREEMENT.c.ended_at).where(
        _AGREEMENT.c.membership_id == invoice.membership_id
    )
    spans = [
        (_utc(since), _utc(until) if until else ends_at) for since, until in op.get_bind().execute(agreed)
    ]
    for each in op.get_bind().execute(movements).all():
        at = _utc(each.posted_at)
        if begins_at <= at < ends_at and any(since <= at < until for since, until in spans):
            yield each.id, each.amount_minor if each.kind == "payout.sent" else -each.amount_minor


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at
