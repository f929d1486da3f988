import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from flask.testing import FlaskClient
from pypdf import PdfReader
from sqlmodel import select

from advocates.membership import Membership
from core.access import COMMAND
from core.clock import at, now
from core.db import session, transaction
from core.files import get_file
from core.ids import new_id
from core.money import Money
from core.outbox import OutboxMessage
from core.people import get_person
from hub.programmes import get_programme
from referrals.conversions.conversions import Conversion
from rewards import grants
from rewards.approvals import approvals, second_looks
from rewards.ledger import ledger
from rewards.payouts import payout_decisions
from rewards.payouts.runs import Payout
from rewards.reward import Reward
from rewards.rules.rules import Terms, change_rule
from rewards.statements import statement_documents, statement_files, statements
from rewards.statements.statement_documents import NotEnded, close_months, print_statements, want
from rewards.taking_back import write_offs
from rewards.taking_back.restorations import restore_for_refund
from tests.at_once import at_once
from tests.factories import Cast, acting, make_advocate, make_staff, sign_in
from tests.rewards.stories import (
    LONG_AGO,
    approvable,
    approved,
    percent_rule,
    ready_account,
    refund,
    reserved_payouts,
    take_as_sent,
)

NEXT_MONTH = timedelta(days=32)


@pytest.fixture
def ana(cast: Cast) -> Membership:
    with transaction():
        percent_rule(cast.programme)
        return make_advocate(cast.programme)


@pytest.fixture
def earned(cast: Cast, ana: Membership) -> str:
    """A month in which Ana earned in two currencies and a refund took some back; answers the month."""
    first = approved(ana, cast.manager)
    approved(ana, cast.manager, 1_230, "JPY", cast.finance)
    with transaction():
        sale = session().get_one(Conversion, grants.get_reward(first).conversion_id)
        grants.reverse_for_refund(refund(sale, 6_450).id)
    return month_of(ana)


def month_of(member: Membership, when: datetime | None = None) -> str:
    with transaction(read_only=True):
        zone = get_programme(member.programme_id).zone
    return f"{(when or now()).astimezone(zone):%Y-%m}"


def told() -> list[str]:
    """The months that Ana was told of by mail."""
    with transaction(read_only=True):
        mails = session().exec(select(OutboxMessage).where(OutboxMessage.kind == "mail")).all()
        return sorted(each.step.removeprefix("statement_ready:") for each in mails)


def printed(month: str, member: Membership) -> str:
    """The text of the printed statement."""
    with transaction(read_only=True):
        document = statement_documents.document_of(member.id, month)
        assert document is not None
        assert document.file_id is not None
        content = get_file(document.file_id).content
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)


def twice_at_once(job: Callable[[], int], moment: datetime) -> int:
    """What two clocks did together at a moment."""

    def then() -> int:
        with at(moment):
            return job()

    return sum(each for each in at_once(then, then) if isinstance(each, int))


def test_a_month_that_ended_is_told_once_to_those_with_something_to_tell(
    cast: Cast, ana: Membership, earned: str
) -> None:
    with transaction():
        make_advocate(cast.programme, "Idle")
    close_months()
    assert told() == []  # it has not ended, and of the months before the first look nobody is told
    later = now() + NEXT_MONTH
    with at(later):
        assert twice_at_once(close_months, later) == 2  # programmes
    assert told() == [earned]
    with transaction(read_only=True):
        mail = session().exec(select(OutboxMessage)).one()
    assert mail.content["subject"].startswith("Your statement of ")
    assert f"/portal/rewards/statements/{earned}" in mail.content["text"]


def test_a_statement_is_printed_once_with_every_line_explained(ana: Membership, earned: str) -> None:
    with pytest.raises(NotEnded), transaction():
        want(ana, earned)
    later = now() + NEXT_MONTH
    with at(later):
        for _ in range(2):
            with transaction():
                want(ana, earned)
        assert twice_at_once(print_statements, later) == 1
        assert print_statements() == 0
        text = printed(earned, ana)
    for said in ("Ana Advocate, number 1", "10 % of €129.00 = €12.90", "earned", "taken back", "JPY", "¥123"):
        assert said in text, said


def test_months_that_ended_while_the_clock_slept_are_made_up_for(ana: Membership, earned: str) -> None:
    close_months()
    later = now() + timedelta(days=100)
    with at(later):
        close_months()
        with transaction(read_only=True):
            last = statements.last_ended(get_programme(ana.programme_id), later)
    assert (told()[0], told()[-1]) == (earned, last)
    assert len(told()) in {3, 4}  # what is owed is told every month, though nothing changed


def test_a_month_rests_for_some_minutes_before_it_is_closed_or_printed(
    cast: Cast, ana: Membership, earned: str
) -> None:
    """What was booked in its last second is committed by then."""
    close_months()
    with transaction(read_only=True):
        _begins, ends = statements.span_of(cast.programme, earned)
    with at(ends + timedelta(minutes=5)):
        close_months()
        with transaction(), pytest.raises(NotEnded):
            want(ana, earned)
    assert told() == []
    with at(ends + timedelta(minutes=11)):
        close_months()
        with transaction():
            want(ana, earned)
    assert told() == [earned]


def test_opening_and_every_line_are_closing_and_closing_is_what_the_ledger_holds(
    ana: Membership, earned: str
) -> None:
    with transaction(read_only=True):
        table = statement_files.as_table(statements.statement(ana, earned), ana).decode("utf-8-sig")
        held = ledger.balances(ledger.accounts_of(ana.id))
    rows = list(csv.DictReader(io.StringIO(table)))
    for currency, places in (("EUR", 2), ("JPY", 0)):
        own = [each for each in rows if each["Currency"] == currency]
        amounts = [Decimal(each["Amount"]) for each in own]
        assert own[0]["What"] == "owed at the start"
        assert own[-1]["What"] == "owed at the end"
        assert sum(amounts[:-1]) == amounts[-1]
        owed = sum(amount for (_account, each), amount in held.items() if each == currency)
        assert amounts[-1].scaleb(places) == owed
    assert any("10 % of €129.00 = €12.90" in each["Reason"] for each in rows)


def test_an_advocate_downloads_their_own_and_finance_everybodys_of_the_unit(
    client: FlaskClient, cast: Cast, ana: Membership, earned: str
) -> None:
    mine, theirs = f"/portal/rewards/statements/{earned}", f"/console/advocates/{ana.id}/statements"
    with transaction(read_only=True):
        person = get_person(ana.person_id)
    sign_in(client, person)
    answer = client.get(f"{mine}.csv")
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    assert client.get(f"{mine}.pdf").status_code == 404
    assert client.post(mine).status_code == 409  # it has not ended
    with at(now() + NEXT_MONTH):
        sign_in(client, person)
        assert "Print as PDF" in client.get(mine).text
        assert client.post(mine).status_code == 303
        assert "being printed" in client.get(mine).text
        print_statements()
        answer = client.get(f"{mine}.pdf")
        assert (answer.status_code, answer.mimetype, answer.data[:5]) == (200, "application/pdf", b"%PDF-")
        assert f"{mine}.pdf" in client.get(mine).text
        assert client.get("/portal/rewards/statements/1999-01.pdf").status_code == 404
        assert client.get("/portal/rewards/statements/nonsense.csv").status_code == 404
        sign_in(client, cast.finance)
        assert f"{theirs}/{earned}.pdf" in client.get(theirs).text
        assert client.get(f"{theirs}/{earned}.csv").status_code == 200
        assert client.get(f"{theirs}/{earned}.pdf").data[:5] == b"%PDF-"
        for nobody in (cast.other_manager, cast.marketing, cast.stranger):
            sign_in(client, nobody)
            for path in (theirs, f"{theirs}/{earned}.csv", f"{theirs}/{earned}.pdf"):
                assert client.get(path).status_code in {403, 404}, (nobody.name, path)
            assert client.post(theirs, data={"month": earned}).status_code in {403, 404}


def test_a_month_ends_at_local_midnight(cast: Cast) -> None:
    zone = cast.programme.zone
    begins, ends = statements.span_of(cast.programme, "2026-03")
    assert begins == datetime(2026, 3, 1, tzinfo=zone).astimezone(UTC)
    assert ends == datetime(2026, 4, 1, tzinfo=zone).astimezone(UTC)
    assert statements.last_ended(cast.programme, ends) == "2026-03"
    assert statements.last_ended(cast.programme, ends - timedelta(microseconds=1)) == "2026-02"


def test_of_more_changes_than_are_listed_the_sum_is_told_and_the_end_is_right(
    client: FlaskClient, cast: Cast, ana: Membership, earned: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        approved(ana, cast.manager, 10_000)
    monkeypatch.setattr(statements, "MOST_LINES", 2)
    with transaction(read_only=True):
        found = statements.statement(ana, earned)
        owed = statements.owed_before(ana.id, found.ends_at)
        table = statement_files.as_table(found, ana).decode("utf-8-sig")
        person = get_person(ana.person_id)
    assert {each.currency: each.closing.amount_minor for each in found.accounts} == owed
    (euro,) = [each for each in found.accounts if each.currency == "EUR"]
    assert (len(euro.lines) + euro.left_out, euro.total("reward.granted").amount_minor) == (5, 1_290 + 3_000)
    rows = [each for each in csv.DictReader(io.StringIO(table)) if each["Currency"] == "EUR"]
    assert rows[-2]["What"] == f"{euro.left_out} more changes"
    assert sum(Decimal(each["Amount"]) for each in rows[:-1]) == Decimal(rows[-1]["Amount"])
    sign_in(client, person)
    assert f"{euro.left_out} more changes" in client.get(f"/portal/rewards/statements/{earned}").text


def test_what_was_kept_or_written_off_says_why(client: FlaskClient, cast: Cast, ana: Membership) -> None:
    with transaction():
        ready_account(ana)
        colleague = make_staff("Fred Ledger", "finance", cast.north)
    approved(ana, cast.manager)
    month = month_of(ana)
    (payout_id,) = reserved_payouts(cast.programme, cast.finance)
    with transaction():
        payout = session().get_one(Payout, payout_id)
        take_as_sent(payout)
        payout.state = "reversed"
        payout_decisions.keep(payout, by=acting(cast.finance), reason="The shop was a front")
    second = approved(ana, cast.manager)
    with transaction():
        sale = session().get_one(Conversion, grants.get_reward(second).conversion_id)
        grants.reverse_for_refund(refund(sale, 12_900).id)
        line = session().exec(select(Reward).where(Reward.kind == "clawback")).one()
        write_offs.ask(line, by=acting(cast.finance), reason="She left")
        write_offs.confirm(line, by=acting(colleague))
        person = get_person(ana.person_id)
    with transaction(read_only=True):
        table = statement_files.as_table(statements.statement(ana, month), ana).decode("utf-8-sig")
    rows = [(each["What"], each["Reason"], each["Amount"]) for each in csv.DictReader(io.StringIO(table))]
    refunded = "€129.00 of €129.00 was refunded: €12.90 taken back"
    assert ("taken back", "The shop was a front", "-12.90") in rows
    assert ("taken back", refunded, "-12.90") in rows
    assert ("written off", f"{refunded}; She left", "12.90") in rows
    sign_in(client, person)
    page = client.get(f"/portal/rewards/statements/{month}").text
    assert "The shop was a front" in page
    assert "She left" in page


def table_of(member: Membership, month: str) -> list[dict[str, str]]:
    with transaction(read_only=True):
        table = statement_files.as_table(statements.statement(member, month), member).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(table)))


def test_a_month_that_is_over_says_the_same_whatever_happens_to_its_rewards_later(
    cast: Cast, ana: Membership
) -> None:
    month, order = month_of(ana), approvable(ana)
    with transaction():
        reward = grants.get_reward(order)
        conversion = session().get_one(Conversion, reward.conversion_id)
        number = conversion.external_id
        grants.reverse_for_refund(refund(conversion, 1_290).id)
    certified = denied_certificate(cast, ana)
    before = table_of(ana, month)
    assert [(each["What"], each["For"], each["Reason"], each["Amount"]) for each in before[1:-1]] == [
        ("earned", f"order {number}", "10 % of €129.00 = €12.90 (sale rule, version 1)", "12.90"),
        ("refund", f"order {number}", "€12.90 of €129.00 was refunded: €1.29 taken back", "-1.29"),
        ("earned", "certification", "€25.00 for each certification (certification rule, version 1)", "25.00"),
        (
            "denied",
            "certification",
            "€25.00 for each certification (certification rule, version 1); Not yet.",
            "-25.00",
        ),
    ]
    with at(now() + NEXT_MONTH):
        with transaction():
            conversion = session().get_one(Conversion, conversion.id)
            given_back = refund(conversion, 6_450)
            grants.reverse_for_refund(given_back.id)
            restore_for_refund(given_back.id)
            look_again(cast, ana, certified)
        later = table_of(ana, month_of(ana))
    assert table_of(ana, month) == before
    assert [(each["What"], each["Reason"], each["Amount"]) for each in later[1:-1]] == [
        ("refund", "€64.50 of €129.00 was refunded: €6.45 taken back", "-6.45"),
        ("given again", "the refund came back: €6.45 given again", "6.45"),
        ("given again", "€25.00 for each certification (certification rule, version 1)", "25.00"),
        ("denied", "€25.00 for each certification (certification rule, version 1); Still not.", "-25.00"),
    ]


def denied_certificate(cast: Cast, ana: Membership) -> str:
    with transaction():
        terms = Terms("flat", flat=Money(2_500, "EUR"))
        change_rule(cast.programme, "certification", terms, by=COMMAND, valid_from=LONG_AGO)
        reward = grants.grant_for_certification(new_id(), ana.id)[0]
        approvals.deny(reward, by=acting(cast.manager), reason="Not yet.")
        return reward.id


def look_again(cast: Cast, ana: Membership, reward_id: str) -> None:
    """Granted by somebody else, and denied once more."""
    reward = grants.get_reward(reward_id)
    second_looks.ask(ana, reward, words="Please.", by=COMMAND)
    second_looks.grant(reward, by=acting(cast.hub_admin), reason="We looked.")
    approvals.deny(reward, by=acting(cast.manager), reason="Still not.")
