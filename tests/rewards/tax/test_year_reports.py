"""What authorities are told of a year: whoever reaches a threshold over all programmes, as their tax form says, by quarters."""

import csv
import io
from datetime import UTC, date, datetime

from flask.testing import FlaskClient
from sqlmodel import select

from advocates.membership import Membership
from core.audit import AuditEntry
from core.clock import at
from core.db import session, transaction
from core.people import Person
from rewards.ledger import ledger
from rewards.payouts import bank_accounts, payout_decisions
from rewards.payouts.runs import Payout, PayoutRun
from rewards.statements import year_files
from rewards.tax import year_reports
from tests.factories import Cast, acting, make_advocate, make_programme, make_staff, sign_in
from tests.rewards.stories import ready_account, take_as_sent
from tests.rewards.tax.forms import DAC7, give


def paid(member: Membership, minor: int, when: datetime, currency: str = "EUR") -> None:
    """A payout that was sent then."""
    with transaction():
        run = PayoutRun(
            programme_id=member.programme_id, unit_id=member.unit_id, period=f"{when} {minor}", ends_at=when, closed_at=when
        )  # fmt: skip
        session().add(run)
        session().flush()
        made = Payout(
            run_id=run.id, programme_id=member.programme_id, unit_id=member.unit_id, membership_id=member.id,
            currency=currency, amount_minor=minor, destination="",
        )  # fmt: skip
        session().add(made)
        session().flush()
        owed = ledger.Movement(
            ledger.expense(member.programme_id), ledger.reserved(member.id), minor, currency
        )
        ledger.post(ledger.Entry(f"owed:{made.id}", "payout.reserved", made.id, (owed,)))
        with at(when):
            take_as_sent(made)


def rows(cast: Cast) -> list[dict[str, str]]:
    with transaction(read_only=True):
        table = year_reports.reports_of(acting(cast.finance), "payout.run", 2026).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(table)))


def test_what_a_person_was_paid_over_all_programmes_is_one_row_by_quarters(cast: Cast) -> None:
    with transaction():
        second = make_programme(
            cast.north, "second", [cast.hub_admin, cast.manager], time_zone="Europe/Berlin"
        )
        ana = make_advocate(cast.programme)
        again = Membership(number=999, person_id=ana.person_id, programme_id=second.id, unit_id=cast.north.id)
        session().add(again)
        ben = make_advocate(cast.programme, "Ben Below")
    with at(datetime(2026, 1, 5, tzinfo=UTC)):
        give(ana, DAC7._replace(vat_id="DE136695976"))
        give(ben, DAC7)
    paid(ana, 1_500_00, datetime(2026, 3, 31, 21, 59, tzinfo=UTC))
    paid(again, 500_01, datetime(2026, 3, 31, 22, 30, tzinfo=UTC))  # April in Berlin
    paid(ana, 9_000_00, datetime(2025, 12, 30, tzinfo=UTC))  # another year
    paid(ben, 2_000_00, datetime(2026, 6, 1, tzinfo=UTC))
    (row,) = rows(cast)
    assert (row["Report"], row["Form"], row["Name"], row["Tax number"], row["VAT number"]) == (
        "EU DAC7", "dac7", "Ana Advocate", "12345678901", "DE136695976",
    )  # fmt: skip
    assert row["Date of birth"] == date(1990, 2, 3).isoformat()
    assert [row[each] for each in year_reports.HEADER[9:]] == [
        "2",
        "1500.00",
        "500.01",
        "0.00",
        "0.00",
        "2000.01",
        "EUR",
    ]


def test_what_comes_back_is_of_the_year_in_which_it_is_booked(cast: Cast) -> None:
    with transaction():
        ana = make_advocate(cast.programme)
    for month in (11, 12):
        paid(ana, 2_000_00, datetime(2026, month, 1, tzinfo=UTC))
    before = rows(cast)
    assert [(each["Payments"], each["Total"]) for each in before] == [("2", "4000.00")]
    with at(datetime(2027, 1, 15, tzinfo=UTC)):
        first, second = in_order(ana)
        for each in (first, second):
            reverse(each)
        with transaction():
            payout_decisions.pay_again(session().get_one(Payout, first.id), by=acting(cast.finance))
    assert rows(cast) == before
    with transaction(read_only=True):
        table = year_reports.reports_of(acting(cast.finance), "payout.run", 2027).decode("utf-8-sig")
        lines = year_files.payments_of(acting(cast.finance), "payout.run", 2027).decode("utf-8-sig")
    assert list(csv.DictReader(io.StringIO(table))) == []
    (came_back,) = csv.DictReader(io.StringIO(lines))
    assert (came_back["Payments"], came_back["Paid"]) == ("-1", "-2000.00")


def in_order(member: Membership) -> list[Payout]:
    with transaction(read_only=True):
        return list(
            session().exec(select(Payout).where(Payout.membership_id == member.id).order_by(Payout.id))
        )


def reverse(payout: Payout) -> None:
    with transaction():
        session().get_one(Payout, payout.id).state = "reversed"


def test_a_past_year_is_reported_as_the_last_form_has_it(cast: Cast) -> None:
    with transaction():
        ana = make_advocate(cast.programme)
    with at(datetime(2026, 1, 5, tzinfo=UTC)):
        give(ana, DAC7._replace(tax_id="99999999999"))
    paid(ana, 2_000_01, datetime(2026, 6, 1, tzinfo=UTC))
    with at(datetime(2027, 1, 20, tzinfo=UTC)):
        give(ana, DAC7)  # the number was mistyped
    assert [(each["Tax number"], each["Report"]) for each in rows(cast)] == [("12345678901", "EU DAC7")]


def test_without_a_form_the_row_has_gaps_to_fill(cast: Cast) -> None:
    with transaction():
        ana = make_advocate(cast.programme)
        ready_account(ana)
    for day in range(1, 31):
        paid(ana, 1_00, datetime(2026, 4, day, tzinfo=UTC))
    found = rows(cast)
    assert [(each["Name"], each["Tax number"], each["Payments"]) for each in found] == [
        ("Ana Advocate", "", "30")
    ]


def test_payments_are_counted_in_whatever_currency_and_a_report_has_all_of_them(cast: Cast) -> None:
    with transaction():
        ana = make_advocate(cast.programme)
        ready_account(ana)
    for day in range(1, 16):
        paid(ana, 1_00, datetime(2026, 4, day, tzinfo=UTC))
        paid(ana, 1_00, datetime(2026, 5, day, tzinfo=UTC), "HUF")
    assert [(each["Report"], each["Currency"], each["Payments"]) for each in rows(cast)] == [
        ("EU DAC7", "EUR", "15"),
        ("EU DAC7", "HUF", "15"),
    ]


def payments(cast: Cast) -> list[dict[str, str]]:
    with transaction(read_only=True):
        table = year_files.payments_of(acting(cast.finance), "payout.run", 2026).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(table)))


def bank(member: Membership, iban: str) -> None:
    with transaction():
        person = session().get_one(Person, member.person_id)
        bank_accounts.set_account(person, bank_accounts.checked("Ana", iban, ""), by=acting(person))


def test_who_is_paid_by_bank_is_reported_where_the_bank_is_and_a_form_says_it_better(cast: Cast) -> None:
    with transaction():
        ana, ben = make_advocate(cast.programme), make_advocate(cast.programme, "Ben Bank")
    for day, each in enumerate((ana, ben), 1):
        bank(each, "FR1420041010050500013M02606")
        paid(each, 9_000_00, datetime(2026, 6, day, tzinfo=UTC))
    with at(datetime(2026, 1, 5, tzinfo=UTC)):
        give(ben, DAC7)
    for found in (payments(cast), rows(cast)):
        assert [each["Country"] for each in found] == ["FR", "DE"]
    assert [each["Report"] for each in rows(cast)] == ["EU DAC7"] * 2
    assert [each["Thresholds reached"] for each in payments(cast)] == ["EU DAC7"] * 2


def test_who_lives_nobody_knows_where_has_a_row_that_says_so_once_a_threshold_might_be_reached(
    cast: Cast,
) -> None:
    with transaction():
        ana, ben = make_advocate(cast.programme), make_advocate(cast.programme, "Ben Below")
    paid(ana, 2_000_01, datetime(2026, 6, 1, tzinfo=UTC))
    paid(ben, 2_000_00, datetime(2026, 6, 1, tzinfo=UTC))
    paid(ben, 9_000_00, datetime(2026, 6, 2, tzinfo=UTC), "GBP")  # in which nothing is reported
    assert [(each["Report"], each["Name"], each["Country"], each["Total"]) for each in rows(cast)] == [
        ("country unknown", "Ana Advocate", "", "2000.01")
    ]
    assert [(each["Name"], each["Currency"], each["Thresholds reached"]) for each in payments(cast)] == [
        ("Ana Advocate", "EUR", "country unknown"),
        ("Ben Below", "EUR", ""),
        ("Ben Below", "GBP", ""),
    ]


def test_only_finance_downloads_it_and_that_is_on_the_log(client: FlaskClient, cast: Cast) -> None:
    sign_in(client, cast.finance)
    address = "/console/payouts/years/2026/reports"
    answer = client.post(address)
    assert (answer.status_code, answer.headers["Content-Disposition"]) == (
        200,
        'attachment; filename="tax-reports-2026.csv"',
    )
    assert client.post("/console/payouts/years/1999/reports").status_code == 404
    with transaction():
        assert session().exec(select(AuditEntry).where(AuditEntry.action == "tax_reports.exported")).one()
        elsewhere = make_staff("Fiona South", "finance", cast.south)
        ana = make_advocate(cast.programme)
        person = session().get_one(Person, ana.person_id)
    paid(ana, 90_000_00, datetime(2026, 6, 1, tzinfo=UTC))
    sign_in(client, elsewhere)
    assert "Ana Advocate" not in client.post(address).get_data(as_text=True)
    for other in (cast.manager, person):
        sign_in(client, other)
        assert client.post(address).status_code == 403
