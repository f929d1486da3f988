"""The migration that ties invoices to the bookings that they are over, with invoices that were there before it."""

from pathlib import Path

from sqlalchemy import Connection, create_engine

from migrations.run import upgrade
from tests.old_rows import put


def book(connection: Connection, entry: str, kind: str, minor: int, when: str, member: str = "m") -> None:
    mine, stripe = f"advocate:{member}:reserved", "stripe:transferred"
    source, goal = (mine, stripe) if kind == "payout.sent" else (stripe, mine)
    put(connection, "ledger_transaction", id=entry, key=entry, kind=kind, subject=entry, posted_at=when)
    put(
        connection, "posting", id=entry, transaction_id=entry, source=source, destination=goal,
        amount_minor=minor, currency="EUR",
    )  # fmt: skip


def invoice(connection: Connection, number: str, month: str, minor: int) -> None:
    put(
        connection, "self_billed_invoice", id=number, number=number, membership_id="m", month=month,
        currency="EUR", gross_minor=minor, place=int(number[-1]), customer="{}",
    )  # fmt: skip


def test_invoices_from_before_are_over_what_was_paid_in_their_month_and_no_more(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite'}"
    upgrade(url, "0031")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
        put(connection, "programme", id="p", slug="p", time_zone="Europe/Berlin")
        put(connection, "membership", id="m", programme_id="p")
        put(connection, "self_billing_agreement", id="a", membership_id="m", agreed_at="2027-03-15 00:00:00")
        book(connection, "early", "payout.sent", 700, "2027-03-10 00:00:00")  # not agreed yet
        book(connection, "march", "payout.sent", 1_000, "2027-03-31 21:59:00")
        book(connection, "april", "payout.sent", 2_000, "2027-03-31 22:30:00")  # April in Berlin
        book(connection, "somebody", "payout.sent", 2_000, "2027-04-05 00:00:00", member="n")
        book(connection, "back", "payout.reversed", 500, "2027-04-20 00:00:00")
        book(connection, "late", "payout.sent", 4_000, "2027-04-30 21:59:59")  # was on no invoice
        invoice(connection, "SP-1", "2027-03", 1_000)
        invoice(connection, "SP-2", "2027-04", 1_500)
    upgrade(url)
    with engine.begin() as connection:
        tied = connection.exec_driver_sql(
            "SELECT invoice_id, transaction_id FROM invoiced_booking ORDER BY invoice_id, transaction_id"
        ).all()
        assert [tuple(each) for each in tied] == [("SP-1", "march"), ("SP-2", "april"), ("SP-2", "back")]
        invoice(connection, "SP-3", "2027-04", 4_000)  # a second one of the month
        corrects = connection.exec_driver_sql("SELECT corrects FROM self_billed_invoice").scalars().all()
    assert corrects == [None, None, None]
    engine.dispose()
