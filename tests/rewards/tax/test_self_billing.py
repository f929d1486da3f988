"""Self-billing: nobody's invoice without agreement, numbers without gaps, what was paid and nothing else, frozen."""

import csv
import io
import itertools
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from flask.testing import FlaskClient
from sqlmodel import col, select

from advocates.membership import Membership
from core.audit import AuditEntry
from core.clock import at
from core.db import session, transaction
from core.money import Money
from core.people import Person
from hub.programmes import Programme
from rewards.ledger import ledger
from rewards.payouts import payouts
from rewards.payouts.runs import Payout
from rewards.statements import statement_files, statements
from rewards.statements.statement_documents import close_months, print_statements, want
from rewards.tax import invoice_files, invoice_proof, invoices, self_billing
from rewards.tax.invoices import Invoice, write_invoices
from rewards.tax.self_billing import Agreement, FormFirst, InvoiceSeries, PrefixStays, PrefixTaken
from rewards.tax.tax_forms import WrongVatNumber
from tests.at_once import at_once
from tests.factories import Cast, acting, make_advocate, make_staff, sign_in
from tests.rewards.statements.test_statements import printed
from tests.rewards.stories import approved, percent_rule, ready_account, take_as_sent
from tests.rewards.tax.forms import DAC7, accept, give

SPRING = datetime(2027, 3, 10, 12, tzinfo=UTC)
VAT_ID = "DE136695976"
_count = itertools.count(1)


@pytest.fixture
def ana(cast: Cast) -> Membership:
    """Registered for VAT in Germany, paid 119.00 EUR in April 2027 by a Berlin organisation; she has agreed."""
    with at(SPRING):
        with transaction():
            percent_rule(cast.programme)
            made = make_advocate(cast.programme)
            ready_account(made)
            issuer(cast)
        accept(give(made, DAC7._replace(vat_id=VAT_ID)), cast.finance)
        agree(made)
        close_months()  # the first time, which tells of nothing
        approved(made, cast.manager, 1_190_00)
    pay(SPRING + timedelta(days=30))
    return made


def issuer(cast: Cast, unit_id: str = "", prefix: str = "SP") -> None:
    finance = make_staff(f"Fin {prefix} {next(_count)}", "finance", cast.hub)
    self_billing.set_issuer(
        unit_id or cast.hub.id, "Spokes Hub GmbH", "Ring 1\nBerlin", "DE",
        by=acting(finance), prefix=prefix, vat_id=VAT_ID,
    )  # fmt: skip


def agree(member: Membership) -> None:
    with transaction():
        self_billing.agree(member, by=acting(session().get_one(Person, member.person_id)))


def pay(moment: datetime) -> None:
    """Close a period and take everything as sent."""
    with at(moment):
        payouts.prepare()
        with transaction():
            for each in session().exec(select(Payout).where(Payout.state == "reserved")):
                take_as_sent(each)


def come_back(payout_id: str) -> None:
    with transaction():
        paid = session().get_one(Payout, payout_id)
        move = ledger.Movement(
            ledger.STRIPE, ledger.payable(paid.membership_id), paid.amount_minor, paid.currency
        )
        ledger.post(ledger.Entry(f"payout.reversed:{payout_id}", "payout.reversed", payout_id, (move,)))


def the_one_comes_back() -> None:
    """What was paid in the only payout comes back."""
    with transaction():
        paid = session().exec(select(Payout.id)).one()
    come_back(paid)


def may_and_june_close() -> None:
    for month in (5, 6):
        with at(datetime(2027, month, 12, tzinfo=UTC)):
            close_months()


def written() -> list[Invoice]:
    with transaction(read_only=True):
        return list(session().exec(select(Invoice).order_by(col(Invoice.number))))


def test_a_month_that_ends_writes_the_invoice_once(ana: Membership) -> None:
    with at(datetime(2027, 5, 2, tzinfo=UTC)):
        close_months()
        close_months()
    (one,) = written()
    assert (one.number, one.title, one.month) == ("SP-2027-000001", "Self-billed invoice", "2027-04")
    assert (one.net, one.vat, one.gross) == (
        Money(100_00, "EUR"), Money(19_00, "EUR"), Money(119_00, "EUR"),
    )  # fmt: skip
    assert one.seller["vat_id"] == one.customer["vat_id"] == VAT_ID
    assert "Hauptstraße" not in one.supplier


def test_it_stays_as_it_was_written(ana: Membership, cast: Cast) -> None:
    with at(datetime(2027, 5, 2, tzinfo=UTC)):
        close_months()
        give(ana, DAC7._replace(name="Ana Other", vat_id=""))
        with transaction():
            self_billing.set_issuer(
                cast.hub.id, "Another", "Elsewhere", "NL",
                by=acting(make_staff("Fin Else", "finance", cast.hub)), prefix="SP",
            )  # fmt: skip
    (one,) = written()
    assert (one.seller["name"], one.customer["name"], one.number) == (
        "Ana Advocate",
        "Spokes Hub GmbH",
        "SP-2027-000001",
    )


def test_what_came_back_is_a_credit_note_of_its_own_month(ana: Membership) -> None:
    with at(datetime(2027, 5, 2, tzinfo=UTC)):
        close_months()
        the_one_comes_back()
    with at(datetime(2027, 6, 2, tzinfo=UTC)):
        close_months()
    first, second = written()
    assert (second.number, second.title) == ("SP-2027-000002", "Self-billed credit note")
    assert (second.net, second.vat) == (-first.net, -first.vat)


def test_a_payment_that_was_committed_after_its_month_was_closed_has_an_invoice_of_its_own(
    ana: Membership, cast: Cast
) -> None:
    with at(datetime(2027, 4, 20, tzinfo=UTC)):
        approved(ana, cast.manager, 2_000_00)
    with at(datetime(2027, 5, 2, tzinfo=UTC)):
        close_months()
        with transaction(read_only=True):
            assert invoice_proof.problems() == []
    pay_by_hand(cast, datetime(2027, 4, 30, 21, 59, 59, tzinfo=UTC))  # begun in April, committed in May
    with transaction(read_only=True):
        (missing,) = invoice_proof.problems()
        assert missing.startswith("no invoice of 2027-04 is over what was paid to advocate 1 (")
    for moment in (datetime(2027, 6, 2, tzinfo=UTC), datetime(2027, 7, 2, tzinfo=UTC)):
        with at(moment):
            close_months()
    assert [(each.month, each.gross_minor) for each in written()] == [
        ("2027-04", 119_00),
        ("2027-04", 200_00),
    ]
    with transaction(read_only=True):
        assert invoice_proof.problems() == []


def pay_by_hand(cast: Cast, moment: datetime) -> str:
    """Pay out what is approved at a moment; answers the payout's id."""
    with at(moment):
        with transaction():
            payouts.run_now(session().get_one(Programme, cast.programme.id), by=acting(cast.finance))
            one = session().exec(select(Payout.id).where(Payout.state == "reserved")).one()
        pay(moment)
    return one


def test_what_was_paid_before_the_agreement_and_came_back_after_it_needs_no_credit_note(
    ana: Membership,
) -> None:
    with at(datetime(2027, 4, 20, tzinfo=UTC)), transaction():
        session().delete(session().exec(select(Agreement)).one())
        session().flush()
        self_billing.agree(ana, by=acting(session().get_one(Person, ana.person_id)))  # after April's payout
    with at(datetime(2027, 5, 10, tzinfo=UTC)):
        the_one_comes_back()
    may_and_june_close()
    assert written() == []


def test_a_credit_note_names_its_invoice_and_repeats_it_whatever_changed_since(
    client: FlaskClient, ana: Membership, cast: Cast
) -> None:
    """Her agreement has ended, her form is another one, her unit has an issuer of its own."""
    with at(datetime(2027, 5, 2, tzinfo=UTC)):
        close_months()
        with transaction():
            self_billing.end(ana, by=acting(session().get_one(Person, ana.person_id)))
            issuer(cast, cast.north.id, "NO")
        give(ana, DAC7._replace(vat_id=""))
        the_one_comes_back()
    with at(datetime(2027, 6, 2, tzinfo=UTC)):
        close_months()
        close_months()
        invoice, note = written()
        assert (note.corrects, note.number, note.month) == (invoice.number, "SP-2027-000002", "2027-05")
        assert (note.gross, note.vat, note.vat_basis_points) == (-invoice.gross, -invoice.vat, 1_900)
        assert (note.seller, note.customer) == (invoice.seller, invoice.customer)
        with transaction():
            assert invoice_proof.problems() == []
            want(ana, "2027-05")
        print_statements()
        assert f"Corrects the self-billed invoice {invoice.number}" in printed("2027-05", ana)
        with transaction(read_only=True):
            table = statement_files.as_table(statements.statement(ana, "2027-05"), ana).decode()
            assert f"corrects {invoice.number}" in table
            assert f"{invoice.number}\r\n" in invoice_files.as_table(frozenset({ana.unit_id})).decode()
            person = session().get_one(Person, ana.person_id)
        sign_in(client, person)
        assert f"It corrects {invoice.number}." in client.get("/portal/rewards/statements/2027-05").text
        sign_in(client, cast.finance)
        assert f"credit note, corrects {invoice.number}" in client.get("/console/payouts/invoices").text


def test_credit_notes_over_every_part_of_an_invoice_give_back_just_its_tax(
    ana: Membership, cast: Cast
) -> None:
    """Each part's own tax would be 0.02 of 0.11, three times; the invoice's is 0.05 of 0.33 beside what was paid before."""
    with transaction():
        first = session().exec(select(Payout.id)).one()
    parts = [first]
    for day in (20, 21, 22):
        with at(datetime(2027, 4, day, tzinfo=UTC)):
            approved(ana, cast.manager, 1_10)
        parts.append(pay_by_hand(cast, datetime(2027, 4, day, 12, tzinfo=UTC)))
    with at(datetime(2027, 5, 2, tzinfo=UTC)):
        close_months()
    for month, part in zip((5, 6, 7, 8), parts, strict=True):
        with at(datetime(2027, month, 12, tzinfo=UTC)):
            come_back(part)
        with at(datetime(2027, month + 1, 2, tzinfo=UTC)):
            close_months()
    invoice, *notes = written()
    assert (invoice.gross_minor, len(notes)) == (119_33, 4)
    assert {each.corrects for each in notes} == {invoice.number}
    assert sum(each.gross_minor for each in notes) == -invoice.gross_minor
    assert sum(each.vat_minor for each in notes) == -invoice.vat_minor
    assert sum(each.net.amount_minor for each in notes) == -invoice.net.amount_minor


def test_what_is_paid_and_comes_back_in_a_month_is_on_no_paper(ana: Membership) -> None:
    with at(datetime(2027, 4, 28, tzinfo=UTC)):
        the_one_comes_back()
    may_and_june_close()
    assert written() == []


def test_check_finds_an_invoice_that_is_not_what_its_bookings_are(ana: Membership) -> None:
    with at(datetime(2027, 5, 2, tzinfo=UTC)):
        close_months()
    with transaction():
        invoice = session().exec(select(Invoice)).one()
        invoice.gross_minor = 120_00
        session().flush()
        assert invoice_proof.problems() == [f"invoice {invoice.number} is over 12000, its bookings are 11900"]


def test_without_agreement_form_or_issuer_there_is_none(cast: Cast) -> None:
    with at(SPRING):
        with transaction():
            percent_rule(cast.programme)
            made = make_advocate(cast.programme)
            ready_account(made)
        with pytest.raises(FormFirst):
            agree(made)
        accept(give(made, DAC7), cast.finance)
        agree(made)  # and nobody issues
        close_months()
        approved(made, cast.manager)
    pay(SPRING + timedelta(days=30))
    with at(datetime(2027, 5, 2, tzinfo=UTC)):
        close_months()
    assert written() == []
    with at(datetime(2027, 5, 3, tzinfo=UTC)), transaction():
        issuer(cast)
        programme = session().get_one(Programme, cast.programme.id)
        assert write_invoices(programme, "2027-04") == 1
        assert write_invoices(programme, "2027-04") == 0


def test_what_was_paid_before_the_agreement_is_on_no_invoice(ana: Membership) -> None:
    with at(datetime(2027, 4, 20, tzinfo=UTC)), transaction():
        session().delete(session().exec(select(Agreement)).one())
        session().flush()
        self_billing.agree(ana, by=acting(session().get_one(Person, ana.person_id)))  # after April's payout
    with at(datetime(2027, 5, 2, tzinfo=UTC)):
        close_months()
    assert written() == []


def test_who_ends_the_agreement_has_the_invoice_of_the_days_before(ana: Membership) -> None:
    with at(datetime(2027, 4, 28, tzinfo=UTC)), transaction():
        self_billing.end(ana, by=acting(session().get_one(Person, ana.person_id)))
    with at(datetime(2027, 5, 2, tzinfo=UTC)):
        close_months()
    assert [each.gross_minor for each in written()] == [119_00]


def test_a_form_that_is_accepted_late_has_its_invoice_with_the_next_closing(
    ana: Membership, cast: Cast
) -> None:
    with at(datetime(2027, 4, 30, 12, tzinfo=UTC)):
        form = give(ana, DAC7._replace(vat_id=VAT_ID))
    with at(datetime(2027, 5, 2, tzinfo=UTC)):
        close_months()
        assert written() == []
        accept(form, cast.finance)
    with at(datetime(2027, 6, 2, tzinfo=UTC)):
        close_months()
    assert [(each.month, each.gross_minor) for each in written()] == [("2027-04", 119_00)]


def test_the_beginning_of_numbers_stays_once_one_is_written(ana: Membership, cast: Cast) -> None:
    with at(datetime(2027, 5, 2, tzinfo=UTC)):
        close_months()
        with transaction(), pytest.raises(PrefixStays):
            issuer(cast, prefix="OTHER")


def test_a_number_that_was_not_used_is_the_next_ones(ana: Membership, cast: Cast) -> None:
    """What breaks off after its number was counted leaves no gap."""
    with at(datetime(2027, 5, 2, tzinfo=UTC)):
        with pytest.raises(ZeroDivisionError):
            _write_and_break_off(cast.programme.id)
        close_months()
    assert [each.place for each in written()] == [1]
    with transaction(read_only=True):
        assert invoices.gaps() == []


def _write_and_break_off(programme_id: str) -> None:
    with transaction():
        assert write_invoices(session().get_one(Programme, programme_id), "2027-04") == 1
        raise ZeroDivisionError


def test_numbers_that_several_want_at_once_are_all_there(ana: Membership) -> None:
    gate = Barrier(4, timeout=10)

    def one_more() -> int:
        gate.wait()
        with transaction():
            owner = session().exec(select(self_billing.Issuer.id)).one()
            return invoices.next_place(owner, 2030)

    assert sorted(at_once(*[one_more] * 4), key=str) == [1, 2, 3, 4]


def test_check_finds_a_gap(ana: Membership) -> None:
    with at(datetime(2027, 5, 2, tzinfo=UTC)):
        close_months()
    with transaction():
        series = session().exec(select(InvoiceSeries)).one()
        series.last = 2
        session().flush()
        assert invoices.gaps() == [f"invoice 2 of 2027 of issuer {series.issuer_id} is not as it should be"]


def test_a_units_own_issuer_goes_before_the_hubs(ana: Membership, cast: Cast) -> None:
    with transaction():
        issuer(cast, cast.north.id, "NO")
        with pytest.raises(PrefixTaken):
            issuer(cast, cast.south.id, "NO")
        with pytest.raises(WrongVatNumber):
            self_billing.set_issuer(
                cast.north.id, "X", "Y", "DE", by=acting(cast.finance), prefix="NX", vat_id="DE1"
            )
    with at(datetime(2027, 5, 2, tzinfo=UTC)):
        close_months()
    assert [each.number for each in written()] == ["NO-2027-000001"]


def test_the_statement_carries_it_on_paper_and_as_a_table(ana: Membership) -> None:
    with at(datetime(2027, 5, 2, tzinfo=UTC)):
        close_months()
        with transaction():
            want(ana, "2027-04")
        print_statements()
        paper = printed("2027-04", ana)
        with transaction(read_only=True):
            table = statement_files.as_table(statements.statement(ana, "2027-04"), ana).decode("utf-8-sig")
    for word in (
        "Self-billed invoice SP-2027-000001",
        "Spokes Hub GmbH",
        VAT_ID,
        "Hauptstraße 1",
        "VAT 19 %",
        "€100.00",
    ):
        assert word in paper
    rows = [[row[1], *row[3:6]] for row in csv.reader(io.StringIO(table)) if "Self-billed" in row[1]]
    assert rows == [
        ["Self-billed invoice, net", "", "SP-2027-000001", "100.00"],
        ["Self-billed invoice, VAT", "19 %", "SP-2027-000001", "19.00"],
        ["Self-billed invoice, total", "as paid", "SP-2027-000001", "119.00"],
    ]


def test_an_advocate_agrees_and_finance_sees_the_invoices(
    client: FlaskClient, cast: Cast, ana: Membership
) -> None:
    with transaction():
        person = session().get_one(Person, ana.person_id)
    with at(datetime(2027, 5, 2, tzinfo=UTC)):
        close_months()
        sign_in(client, person)
        assert "SP-2027-000001" in client.get("/portal/rewards/statements/2027-04").text
        assert "You agreed on" in client.get("/portal/rewards/tax-form").text
        assert client.post("/portal/rewards/self-billing", data={"act": "end"}).status_code == 303
        assert client.post("/portal/rewards/self-billing", data={"act": "agree"}).status_code == 303
        with transaction():
            assert len(session().exec(select(Agreement)).all()) == 2
        sign_in(client, cast.finance)
        assert "SP-2027-000001" in client.get("/console/payouts/invoices").text
        rows = list(
            csv.reader(
                io.StringIO(client.get("/console/payouts/invoices.csv").get_data().decode("utf-8-sig"))
            )
        )
        assert (rows[0], rows[1][0]) == (list(invoice_files.HEADER), "SP-2027-000001")
        with transaction():
            assert session().exec(select(AuditEntry).where(AuditEntry.action == "invoices.exported")).one()
        given = {
            "unit_id": cast.north.id,
            "name": "N",
            "address": "A",
            "country": "NL",
            "vat_id": "",
            "prefix": "no",
        }
        assert client.post("/console/payouts/invoices", data=given).status_code == 422
        assert client.post("/console/payouts/invoices", data=given | {"prefix": "NO"}).status_code == 303
        assert client.post(
            "/console/payouts/invoices", data=given | {"unit_id": cast.south.id}
        ).status_code in {403, 404, 422}


def test_others_see_no_invoices(client: FlaskClient, cast: Cast, ana: Membership) -> None:
    with at(datetime(2027, 5, 2, tzinfo=UTC)):
        close_months()
        sign_in(client, cast.other_manager)
        assert "SP-2027-000001" not in client.get("/console/payouts/invoices").text
        assert client.get("/console/payouts/invoices.csv").status_code == 403
        sign_in(client, cast.stranger)
        assert client.get("/console/payouts/invoices").status_code == 403
