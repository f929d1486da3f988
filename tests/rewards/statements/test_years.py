"""Years in sums: equal to the ledger and to the months, in the programme's zone; what finance has to tell, by dated thresholds."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlmodel import select

from advocates.membership import Membership
from core.audit import AuditEntry
from core.clock import at
from core.db import session, transaction
from core.money import Money
from core.people import Person
from referrals.conversions.conversions import Conversion
from rewards import grants
from rewards.ledger import ledger
from rewards.payouts import payout_outcomes, payouts
from rewards.payouts.runs import Payout, PayoutAttempt
from rewards.statements import statement_documents, statements, year_files, years
from rewards.statements.statement_documents import NotEnded, print_statements, want
from rewards.statements.years import NoSuchYear, year_of
from rewards.stripe.stripe_gateway import Transfer
from rewards.tax.tax_thresholds import reached
from tests.factories import Cast, acting, make_advocate, sign_in
from tests.rewards.statements.test_statements import printed
from tests.rewards.stories import (
    approved,
    percent_rule,
    ready_account,
    refund,
    reserved_payouts,
    take_as_sent,
)

SPRING = datetime(2027, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def ana(cast: Cast) -> Membership:
    """Somebody who earned in two months of 2027, had some taken back, and was paid once."""
    with at(SPRING):
        with transaction():
            percent_rule(cast.programme)
            made = make_advocate(cast.programme)
            ready_account(made)
        first = approved(made, cast.manager)
        approved(made, cast.manager, 1_230, "JPY", cast.finance)
        with transaction():
            sale = session().get_one(Conversion, grants.get_reward(first).conversion_id)
            grants.reverse_for_refund(refund(sale, 6_450).id)
    with at(SPRING + timedelta(days=31)):
        payouts.prepare()
        _sent()
        approved(made, cast.manager, 50_000)
    return made


def _sent() -> None:
    """As if Stripe had taken every payout."""
    with transaction():
        for each in session().exec(select(Payout).where(Payout.state == "reserved")):
            take_as_sent(each)


def test_a_year_is_its_months_and_ends_with_what_the_ledger_holds(ana: Membership) -> None:
    with at(SPRING + timedelta(days=120)), transaction(read_only=True):
        parts = {each.currency: each for each in year_of(ana, 2027)}
        euro = parts["EUR"]
        assert [each.amount_minor for each in euro.total] == [1_290 + 5_000, -645, -645]
        held = ledger.balances(ledger.accounts_of(ana.id))
        assert euro.closing.amount_minor == sum(
            amount for (_, currency), amount in held.items() if currency == "EUR"
        )
        assert parts["JPY"].closing.amount_minor == 0
        for month, sums in euro.months:
            if month not in statements.months_of(ana):
                assert [each.amount_minor for each in sums] == [0, 0, 0]
                continue
            accounts = [each for each in statements.statement(ana, month).accounts if each.currency == "EUR"]
            changes = [each.closing.amount_minor - each.opening.amount_minor for each in accounts]
            assert sum(each.amount_minor for each in sums) == sum(changes)
    with at(SPRING + timedelta(days=365)), transaction(read_only=True):
        (euro,) = [each for each in year_of(ana, 2028) if each.currency == "EUR"]
        assert (euro.opening, len(euro.months)) == (Money(5_000, "EUR"), 3)


def test_a_year_turns_at_midnight_where_the_programme_is(cast: Cast) -> None:
    with at(datetime(2027, 6, 1, tzinfo=UTC)), transaction():
        percent_rule(cast.programme)
        member = make_advocate(cast.programme)
        zone = cast.programme.zone
    turn = datetime(2028, 1, 1, tzinfo=zone)
    for moment in (turn - timedelta(microseconds=1), turn):
        with at(moment):
            approved(member, cast.manager)
    with at(turn + timedelta(days=1)), transaction(read_only=True):
        earned = [year_of(member, year)[0].total.earned.amount_minor for year in (2027, 2028)]
    assert earned == [1_290, 1_290]


def test_years_before_the_first_and_after_this_one_are_not_there(ana: Membership) -> None:
    with at(SPRING), transaction(read_only=True):
        assert years.years_of(ana) == [2027]
        for year in (2026, 2028):
            with pytest.raises(NoSuchYear):
                year_of(ana, year)


def test_the_summary_is_printed_once_the_year_is_over(ana: Membership) -> None:
    with at(SPRING + timedelta(days=200)), transaction(), pytest.raises(NotEnded):
        want(ana, "2027")
    with at(SPRING + timedelta(days=300)):
        with transaction():
            want(ana, "2027")
            assert statement_documents.standing_of(ana, "2027") == "wanted"
        assert print_statements() == 1
        text = printed("2027", ana)
    for said in ("Summary of 2027", "Ana Advocate, number 1", "2027-03", "€62.90", "Together"):
        assert said in text, said


def table(answer: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.removeprefix("\ufeff"))))


def test_an_advocate_reads_their_year_and_finance_what_everybody_was_paid(
    cast: Cast, ana: Membership, client: FlaskClient
) -> None:
    with at(SPRING + timedelta(days=60)):
        with transaction(read_only=True):
            person = session().get_one(Person, ana.person_id)
        sign_in(client, person)
        assert "€62.90" in client.get("/portal/rewards/years/2027").text
        rows = table(client.get("/portal/rewards/years/2027.csv").text)
        assert [each["Earned"] for each in rows if each["Month"] == "2027"] == ["62.90", "123"]
        assert client.get("/portal/rewards/years/2026").status_code == 404
        sign_in(client, cast.finance)
        assert "US 1099-NEC" in client.get("/console/payouts/years").text
        paid = table(client.get("/console/payouts/years/2027.csv").text)
        assert [(each["Number"], each["Paid"], each["Currency"]) for each in paid] == [
            ("1", "6.45", "EUR"),
            ("1", "123", "JPY"),
        ]
        assert table(client.get("/console/payouts/years/2026.csv").text) == []
        assert client.get("/console/payouts/years/2031.csv").status_code == 404
        for who in (cast.manager, cast.stranger):
            sign_in(client, who)
            assert client.get("/console/payouts/years/2027.csv").status_code == 403
        sign_in(client, cast.other_manager)
        assert client.get(f"/console/advocates/{ana.id}/years/2027.csv").status_code == 404
    with transaction(read_only=True):
        exported = select(AuditEntry).where(AuditEntry.action == "payments.exported")
        assert sorted(each.object_id for each in session().exec(exported)) == ["2026", "2027"]


def test_what_is_found_out_after_the_year_is_of_the_new_one_for_everybody(
    cast: Cast, ana: Membership
) -> None:
    """Sent on New Year's Eve, recorded ten hours later: the summary and finance's table say the same."""
    eve = datetime(2027, 12, 31, 22, 30, tzinfo=UTC)
    with at(eve):
        (payout_id,) = reserved_payouts(cast.programme, cast.finance)
        with transaction():
            attempt = PayoutAttempt(
                payout_id=payout_id, number=1, key="po_eve", destination="acct_1", amount_minor=5_000, currency="EUR"
            )  # fmt: skip
            session().add(attempt)
    with at(eve + timedelta(hours=10)):
        with transaction():
            waiting = session().get_one(Payout, payout_id)
            found = Transfer("tr_eve", "acct_1", 5_000, "EUR", waiting.group, False, payout_id, 0, eve)
            assert payout_outcomes.sent(waiting, session().get_one(PayoutAttempt, attempt.id), found)
        with transaction(read_only=True):
            for year, paid in (2027, "6.45"), (2028, "50.00"):
                rows = table(year_files.payments_of(acting(cast.finance), "payout.see", year).decode())
                (euro,) = [each for each in year_of(ana, year) if each.currency == "EUR"]
                assert [each["Paid"] for each in rows if each["Currency"] == "EUR"] == [paid]
                assert str(-euro.total.out.major) == paid


@pytest.mark.parametrize(
    ("country", "paid", "payments", "year", "reports"),
    [
        ("US", Money(600_00, "USD"), 1, 2025, ["US 1099-NEC"]),
        ("US", Money(599_99, "USD"), 99, 2025, []),
        ("US", Money(600_00, "USD"), 1, 2026, []),
        ("US", Money(2_000_00, "USD"), 1, 2026, ["US 1099-NEC"]),
        ("US", Money(9_000_00, "EUR"), 1, 2026, []),
        ("DE", Money(10_00, "EUR"), 30, 2026, ["EU DAC7"]),
        ("DE", Money(1_999_99, "EUR"), 29, 2026, []),
        ("FR", Money(2_000_00, "EUR"), 1, 2026, []),
        ("FR", Money(2_000_01, "EUR"), 1, 2026, ["EU DAC7"]),
        ("FR", Money(2_000_01, "EUR"), 1, 2022, []),
        ("GB", Money(9_000_00, "GBP"), 99, 2026, []),
        ("", Money(9_000_00, "USD"), 99, 2026, []),
    ],
)
def test_thresholds_are_those_of_the_year_and_the_country(
    country: str, paid: Money, payments: int, year: int, reports: list[str]
) -> None:
    assert [each.report for each in reached(country, [paid], payments, year)] == reports
