"""Payouts by bank file: exported once with the same bytes, paid once, given back when refused, never to another account."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlmodel import col, select

from advocates.membership import Membership
from core.clock import at
from core.db import session, transaction
from core.errors import Forbidden, NotFound
from core.files import get_file
from core.money import Money
from core.outbox import OutboxMessage
from core.people import Person
from core.settings import Settings, configure
from hub import actions
from rewards.ledger import ledger, proof
from rewards.payouts import bank_accounts, bank_files, pain001, payout_decisions, payout_sender, payouts
from rewards.payouts.bank_accounts import Details, WrongBic, WrongIban
from rewards.payouts.bank_files import (
    BankFile,
    NoPayer,
    NotExported,
    NothingToExport,
    NotPaid,
    ReferenceNeeded,
)
from rewards.payouts.pain001 import Credit, Order
from rewards.payouts.payout_decisions import NotByStripe
from rewards.payouts.runs import Payout, PayoutRun, PayoutSkip
from tests.at_once import at_once
from tests.factories import Cast, acting, make_advocate, sign_in
from tests.rewards.payouts.test_payouts import next_month
from tests.rewards.stories import approved, percent_rule, ready_account

IBAN, OTHER = "DE89370400440532013000", "FR1420041010050500013M02606"
SPACE = {"p": pain001.NAMESPACE}


@pytest.fixture(autouse=True)
def _by_bank(settings: Settings) -> Iterator[None]:
    made = {"payouts_by": "bank", "bank_payer_name": "Spokes Hub", "bank_payer_iban": "NL91ABNA0417164300"}
    configure(settings.model_copy(update=made))
    yield
    configure(settings)


def person_of(member: Membership) -> Person:
    return session().get_one(Person, member.person_id)


def give(member: Membership, iban: str = IBAN, bic: str = "") -> None:
    with transaction():
        person = person_of(member)
        details = bank_accounts.checked("Ana Müller-Łęcka", iban, bic)
        bank_accounts.set_account(person, details, by=acting(person))


@pytest.fixture
def ana(cast: Cast) -> Membership:
    with transaction():
        percent_rule(cast.programme)
        made = make_advocate(cast.programme)
    give(made)
    return made


@pytest.fixture
def run(cast: Cast, ana: Membership) -> PayoutRun:
    """A closed period with Ana's 17.90 in it."""
    approved(ana, cast.manager)
    approved(ana, cast.manager, 5_000)
    with at(next_month()):
        payouts.prepare()
    return run_of(cast)


def run_of(cast: Cast) -> PayoutRun:
    with transaction(read_only=True):
        wanted = select(PayoutRun).where(PayoutRun.programme_id == cast.programme.id)
        return session().exec(wanted.order_by(col(PayoutRun.id).desc())).all()[0]


def export(run: PayoutRun, by: Person) -> BankFile:
    with transaction():
        (file,) = bank_files.export(session().get_one(PayoutRun, run.id), by=acting(by))
        return file


def content(file: BankFile) -> tuple[bytes, str]:
    with transaction(read_only=True):
        return get_file(file.xml_id).content, get_file(file.csv_id).content.decode()


def only() -> Payout:
    with transaction(read_only=True):
        assert proof.problems() == []
        return session().exec(select(Payout)).one()


def test_a_run_is_exported_paid_with_the_banks_reference_and_told(
    cast: Cast, ana: Membership, run: PayoutRun
) -> None:
    assert payout_sender.send_due() == 0  # that is for Stripe's
    file = export(run, cast.finance)
    xml, table = content(file)
    assert pain001.problems(xml) == []
    root = ET.fromstring(xml)  # noqa: S314 - we wrote it ourselves
    said = {
        name: root.findtext(f".//p:{name}", namespaces=SPACE) for name in ("NbOfTxs", "CtrlSum", "EndToEndId")
    }
    assert said == {"NbOfTxs": "1", "CtrlSum": "17.90", "EndToEndId": only().id}
    names = [each.text for each in root.iterfind(".//p:Cdtr/p:Nm", SPACE)]
    assert names == ["Ana Muller-Lecka"]
    assert [each.text for each in root.iterfind(".//p:CdtrAcct/p:Id/p:IBAN", SPACE)] == [IBAN]
    (row,) = csv.DictReader(io.StringIO(table.removeprefix("\ufeff")))
    assert (row["IBAN"], row["Amount"], row["Currency"]) == (IBAN, "17.90", "EUR")
    with transaction():
        with pytest.raises(ReferenceNeeded):
            bank_files.mark_paid(file, " ", by=acting(cast.finance))
        assert bank_files.mark_paid(file, "ING 4711", by=acting(cast.finance)) == 1
        assert bank_files.mark_paid(file, "again", by=acting(cast.finance)) == 0
    paid = only()
    assert (paid.state, paid.reference) == ("sent", f"{file.id} ING 4711")
    with transaction(read_only=True):
        assert ledger.balance(ledger.BANK, "EUR") == 1_790
        mails = session().exec(select(OutboxMessage).where(OutboxMessage.subject == paid.id)).all()
        assert ["€17.90" in each.content["text"] for each in mails] == [True]


def test_exported_again_there_is_nothing_and_the_file_is_the_same(cast: Cast, run: PayoutRun) -> None:
    file = export(run, cast.finance)
    before = content(file)
    with pytest.raises(NothingToExport):
        export(run, cast.finance)
    assert content(file) == before


def test_two_exports_at_once_make_one_file(cast: Cast, run: PayoutRun) -> None:
    done = at_once(lambda: export(run, cast.finance), lambda: export(run, cast.finance))
    assert sorted(type(each).__name__ for each in done) == ["BankFile", "NothingToExport"]


def test_two_who_mark_it_at_once_pay_it_once(cast: Cast, run: PayoutRun) -> None:
    file = export(run, cast.finance)

    def mark() -> int:
        with transaction():
            return bank_files.mark_paid(file, "ING 4711", by=acting(cast.finance))

    assert sorted(each for each in at_once(mark, mark) if isinstance(each, int)) == [0, 1]
    only()


def test_what_the_bank_refuses_is_owed_again_and_paid_with_the_next_run(
    cast: Cast, ana: Membership, run: PayoutRun
) -> None:
    export(run, cast.finance)
    with transaction():
        payout = session().exec(select(Payout)).one()
        bank_files.refused_by_bank(payout, "Account closed", by=acting(cast.finance))
        with pytest.raises(NotExported):
            bank_files.refused_by_bank(payout, "again", by=acting(cast.finance))
    assert (only().state, only().reason) == ("taken_back", "Account closed")
    give(ana, OTHER)
    with at(next_month() + timedelta(days=32)):
        payouts.prepare()
        file = export(run_of(cast), cast.finance)
    assert OTHER in content(file)[1]


@pytest.mark.parametrize("kept", [False, True])
def test_what_the_bank_gives_back_after_it_paid_is_paid_again_or_kept(
    cast: Cast, ana: Membership, run: PayoutRun, kept: bool
) -> None:
    file = export(run, cast.finance)
    with transaction():
        finance = acting(cast.finance)
        payout = session().exec(select(Payout)).one()
        with pytest.raises(NotPaid):
            bank_files.returned_by_bank(payout, "too early", by=finance)
        bank_files.mark_paid(file, "ING 4711", by=finance)
        with pytest.raises(ReferenceNeeded):
            bank_files.returned_by_bank(payout, " ", by=finance)
        with pytest.raises(Forbidden):
            bank_files.returned_by_bank(payout, "AC04", by=acting(cast.manager))
        bank_files.returned_by_bank(payout, "AC04: account closed", by=finance)
        with pytest.raises(NotPaid):
            bank_files.returned_by_bank(payout, "again", by=finance)
    assert (only().state, only().reason) == ("reversed", "The bank returned it: AC04: account closed")
    with transaction():
        (asked,) = actions.waiting_for(finance, kind="payout.look").items
        assert asked.summary == "The bank returned it: AC04: account closed"
        payout = session().exec(select(Payout)).one()
        if kept:
            payout_decisions.keep(payout, by=finance, reason="The shop was a front")
        else:
            payout_decisions.pay_again(payout, by=finance)
    assert only().state == "taken_back"
    with transaction(read_only=True):
        assert (ledger.balance(ledger.BANK, "EUR"), ledger.balance(ledger.STRIPE, "EUR")) == (0, 0)
        assert ledger.balance(ledger.payable(ana.id), "EUR") == (0 if kept else 1_790)
    if not kept:
        give(ana, OTHER)
        with at(next_month() + timedelta(days=32)):
            payouts.prepare()
            assert OTHER in content(export(run_of(cast), cast.finance))[1]


def test_an_account_that_was_changed_after_the_run_was_made_is_held(
    cast: Cast, ana: Membership, run: PayoutRun
) -> None:
    give(ana, OTHER)
    with transaction():
        assert bank_files.export(session().get_one(PayoutRun, run.id), by=acting(cast.finance)) == []
    assert (only().state, bank_files_of(run)) == ("held", [])
    with transaction():
        (asked,) = actions.waiting_for(acting(cast.finance)).items
        assert asked.summary == "Payout of €17.90: The bank account was changed after the run was made."
        payout_decisions.take_back(payout_decisions.get_payout(only_id()), by=acting(cast.finance))
        assert actions.waiting_for(acting(cast.finance)).items == []
    assert only().state == "taken_back"
    with pytest.raises(NothingToExport), transaction():
        bank_files.export(session().get_one(PayoutRun, run.id), by=acting(cast.finance))


def only_id() -> str:
    return session().exec(select(Payout.id)).one()


def bank_files_of(run: PayoutRun) -> list[BankFile]:
    with transaction(read_only=True):
        return bank_files.files_of(run.id)


def test_beside_others_a_changed_account_is_held_and_said(cast: Cast, ana: Membership) -> None:
    with transaction():
        ben = make_advocate(cast.programme, "Ben Bee")
    give(ben)
    for each in (ana, ben):
        approved(each, cast.manager)
    with at(next_month()):
        payouts.prepare()
    give(ana, OTHER)
    file = export(run_of(cast), cast.finance)
    assert file.payouts == 1
    with transaction(read_only=True):
        held = session().exec(select(Payout).where(Payout.state == "held")).one()
        assert (held.membership_id, held.reason) == (
            ana.id,
            "The bank account was changed after the run was made.",
        )
    with transaction():
        ready_account(ana)
        with pytest.raises(NotByStripe):
            payout_decisions.retry(payout_decisions.get_payout(held.id), by=acting(cast.finance))


def test_what_a_bank_would_refuse_is_held_and_keeps_nobody_else_from_being_paid(
    cast: Cast, ana: Membership
) -> None:
    """In SEPA a transfer is of less than a thousand million."""
    with transaction():
        ben = make_advocate(cast.programme, "Ben Big")
    give(ben, OTHER)
    approved(ana, cast.manager)
    approved(ben, cast.manager, 10**12, second=cast.finance)
    with at(next_month()):
        payouts.prepare()
    file = export(run_of(cast), cast.finance)
    assert (file.payouts, file.total_minor) == (1, 1_290)
    with transaction(read_only=True):
        held = session().exec(select(Payout).where(Payout.state == "held")).one()
        assert (held.membership_id, proof.problems()) == (ben.id, [])
        assert held.reason.startswith("The bank would refuse it: ")


def test_without_an_account_the_money_waits_and_each_currency_has_a_file(cast: Cast, ana: Membership) -> None:
    with transaction():
        ben = make_advocate(cast.programme, "Ben Bee")
    approved(ben, cast.manager)
    approved(ana, cast.manager)
    approved(ana, cast.manager, 12_300, "JPY", cast.finance)
    with at(next_month()):
        payouts.prepare()
    with transaction(read_only=True):
        assert [each.sentence for each in session().exec(select(PayoutSkip))] == [
            "No bank account has been given."
        ]
    run_id = run_of(cast).id
    with transaction():
        made = session().get_one(PayoutRun, run_id)
        files = bank_files.export(made, by=acting(cast.finance))
    assert [(each.currency, each.payouts, each.total_minor) for each in files] == [
        ("EUR", 1, 1_290), ("JPY", 1, 1_230),
    ]  # fmt: skip
    xml, table = content(files[1])
    assert pain001.problems(xml) == []
    assert b'<InstdAmt Ccy="JPY">1230</InstdAmt>' in xml
    assert b"SEPA" not in xml
    assert "1230,JPY" in table


def test_without_a_payer_nothing_is_exported(cast: Cast, run: PayoutRun, settings: Settings) -> None:
    configure(settings.model_copy(update={"payouts_by": "bank"}))
    with pytest.raises(NoPayer):
        export(run, cast.finance)
    assert only().state == "reserved"


def test_who_may_not(cast: Cast, run: PayoutRun) -> None:
    for person, refusal in (
        (cast.stranger, NotFound),
        (cast.other_manager, NotFound),
        (cast.manager, Forbidden),
    ):
        with pytest.raises(refusal):
            export(run, person)


def test_an_iban_is_proven_and_stored_sealed(cast: Cast, ana: Membership) -> None:
    for iban in ("DE89370400440532013001", "", "DE", "XX00", IBAN[:-1]):
        with pytest.raises(WrongIban):
            bank_accounts.checked("Ana", iban, "")
    with pytest.raises(WrongBic):
        bank_accounts.checked("Ana", IBAN, "NOBANK")
    with transaction(read_only=True):
        account = bank_accounts.account_of(ana.person_id)
        assert account is not None
        assert (account.ends_with, IBAN in account.iban) == ("3000", False)
        assert bank_accounts.details_of(account).iban == IBAN
        told = session().exec(select(OutboxMessage).where(OutboxMessage.subject == account.id)).one()
        assert "3000" in told.content["text"]
        assert IBAN not in told.content["text"]


@examples(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=90), st.integers(1, 99_999_999_999)), min_size=1, max_size=5
    )
)
def test_every_file_keeps_the_rules_of_its_schema_whatever_people_are_called(
    pays: list[tuple[str, int]],
) -> None:
    transfers = [
        Credit(f"p{number}", Details(name, IBAN, ""), Money(minor, "EUR"), name)
        for number, (name, minor) in enumerate(pays)
    ]
    payer = Details("Spokes Hub", "NL91ABNA0417164300", "ABNANL2A")
    order = Order("file", datetime(2026, 11, 1, tzinfo=UTC), date(2026, 11, 1), payer, transfers)
    xml = pain001.written(order)
    assert pain001.problems(xml) == []
    assert pain001.written(order) == xml


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"<CtrlSum>1.00", b"<CtrlSum>2.00"),
        (b"<NbOfTxs>1", b"<NbOfTxs>2"),
        (b'Ccy="EUR"', b'Ccy="USD"'),
        (b">1.00</InstdAmt>", b">1.0</InstdAmt>"),
        (b"SLEV", b"SHAR"),
        (b">SEPA<", b">URGP<"),
        (b"<Nm>Ana", b"<Nm>An\xc3\xa4"),
        (IBAN.encode(), b"nothing"),
        (b"<EndToEndId>p</EndToEndId>", b"<EndToEndId></EndToEndId>"),
        (b"<PmtMtd>TRF", b"<PmtMtd>XXX"),
        (b"<BtchBookg>false</BtchBookg>", b"<Batch>false</Batch>"),
        (b"pain.001.001.09", b"pain.001.001.03"),
    ],
)
def test_what_breaks_the_rules_is_found(before: bytes, after: bytes) -> None:
    payer = Details("Spokes Hub", "NL91ABNA0417164300", "")
    credit = Credit("p", Details("Ana", IBAN, ""), Money(100, "EUR"), "thanks")
    xml = pain001.written(
        Order("file", datetime(2026, 11, 1, tzinfo=UTC), date(2026, 11, 1), payer, [credit])
    )
    assert pain001.problems(xml.replace(before, after)) != []


def test_from_the_advocates_account_to_the_banks_answer_in_the_browser(
    cast: Cast, ana: Membership, run: PayoutRun, client: FlaskClient
) -> None:
    with transaction(read_only=True):
        person = person_of(ana)
    sign_in(client, person)
    assert client.get("/portal/rewards/account").headers["Location"] == "/portal/rewards/bank"
    page = client.get("/portal/rewards/bank").text
    assert "3000" in page
    assert IBAN not in page
    wrong = client.post("/portal/rewards/bank", data={"holder": "Ana", "iban": "DE00"})
    assert (wrong.status_code, "This is not an IBAN" in wrong.text) == (422, True)
    sign_in(client, cast.finance)
    path = f"/console/payouts/{run.id}"
    assert "Export one payout for the bank" in client.get(path).text
    assert client.post(f"{path}/bank-file").status_code == 303
    with transaction(read_only=True):
        file = session().exec(select(BankFile)).one()
    assert IBAN.encode() in client.get(f"/console/payouts/files/{file.id}.xml").data
    for who, status in ((cast.other_manager, 404), (cast.manager, 403), (person, 404)):
        sign_in(client, who)
        assert client.get(f"/console/payouts/files/{file.id}.csv").status_code in {status, 403}
    sign_in(client, cast.finance)
    payout = only()
    assert "What the bank said" in client.get(f"/console/payouts/items/{payout.id}").text
    answer = client.post(f"/console/payouts/files/{file.id}", data={"reference": "ING 4711"})
    assert answer.status_code == 303
    assert "Every payout in it is answered" in client.get(path).text
    item = f"/console/payouts/items/{payout.id}"
    assert "Did the bank give it back?" in client.get(item).text
    returned = {"act": "returned", "said": "AC04"}
    for who, status in ((cast.other_manager, 404), (cast.manager, 403), (person, 403)):
        assert sign_in(client, who).post(f"{item}/bank", data=returned).status_code == status
    assert sign_in(client, cast.finance).post(f"{item}/bank", data=returned).status_code == 303
    assert "Pay it again with the next run" in client.get(item).text


def test_where_stripe_pays_there_is_no_such_page(
    cast: Cast, ana: Membership, settings: Settings, client: FlaskClient
) -> None:
    configure(settings)
    with transaction(read_only=True):
        person = person_of(ana)
    sign_in(client, person)
    assert client.get("/portal/rewards/bank").status_code == 404
