"""What reaches the bank: landed, failed days later, paid out again; told, never transferred twice, in whatever order we hear of it."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlmodel import col, select

from advocates.membership import Membership
from core.clock import at, now
from core.db import session, transaction
from core.outbox import OutboxMessage
from core.people import Person
from rewards.ledger import ledger, proof
from rewards.payouts import landings, payouts, reconciliation
from rewards.payouts.accounts import PayoutAccount
from rewards.payouts.runs import Payout
from rewards.stripe import stripe_event_rows, stripe_events
from rewards.stripe.stripe_gateway import Unsure
from tests.factories import Cast, make_advocate, sign_in
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stories import approved, percent_rule, reserved_payouts, stripe_account


@pytest.fixture
def ana(cast: Cast, stripe: LocalStripe) -> Membership:
    with transaction():
        percent_rule(cast.programme)
        return make_advocate(cast.programme)


@pytest.fixture
def account_id(ana: Membership, stripe: LocalStripe) -> str:
    return stripe_account(ana, stripe)


def sent(cast: Cast, ana: Membership, seconds: int = 2) -> None:
    """A payout whose transfer has happened."""
    with at(now() + timedelta(seconds=seconds)):
        approved(ana, cast.manager)
        reserved_payouts(cast.programme, cast.finance)
    with at(now() + timedelta(seconds=seconds + 2)):
        assert payouts.send_due() == 1


def ours() -> list[tuple[str, str]]:
    with transaction(read_only=True):
        found = session().exec(select(Payout).order_by(col(Payout.id))).all()
        assert proof.problems() == []
        return [(each.state, each.reason) for each in found]


def paid_out(stripe: LocalStripe, account_id: str, outcome: str = "paid") -> str:
    return str(stripe.order(f"accounts/{account_id}/payout", outcome=outcome)["id"])


def failed(stripe: LocalStripe, bank_payout: str) -> None:
    stripe.order(f"payouts/{bank_payout}/fail", failure_code="account_closed")


def mails() -> list[str]:
    with transaction(read_only=True):
        told = session().exec(select(OutboxMessage).order_by(col(OutboxMessage.id)))
        return [each.content["subject"] for each in told if "bank" in str(each.content.get("subject", ""))]


def test_what_the_bank_took_has_landed_and_its_books_stay(
    cast: Cast, ana: Membership, account_id: str, stripe: LocalStripe
) -> None:
    sent(cast, ana)
    assert ours() == [("sent", "")]
    bank_payout = paid_out(stripe, account_id)
    assert landings.apply(account_id, bank_payout) == "1 payouts: paid"
    assert landings.apply(account_id, bank_payout) == "0 payouts: paid"
    assert (ours(), mails()) == ([("landed", "")], [])
    with transaction(read_only=True):
        assert ledger.balance(ledger.STRIPE, "EUR") == 1_290


def test_what_fails_days_later_is_told_and_never_transferred_again(
    cast: Cast, ana: Membership, account_id: str, stripe: LocalStripe
) -> None:
    sent(cast, ana)
    bank_payout = paid_out(stripe, account_id)
    landings.apply(account_id, bank_payout)
    failed(stripe, bank_payout)
    for _replayed in range(2):
        landings.apply(account_id, bank_payout)
    assert ours() == [("bank_failed", "The bank account has been closed.")]
    assert mails() == ["Your bank did not take €12.90"]
    with at(now() + timedelta(days=40)):
        payouts.send_due()
    assert len(stripe.transfers()) == 1


def test_stripes_next_try_lands_it_and_what_is_heard_late_changes_nothing(
    cast: Cast, ana: Membership, account_id: str, stripe: LocalStripe
) -> None:
    sent(cast, ana)
    first = paid_out(stripe, account_id)
    failed(stripe, first)
    landings.apply(account_id, first)
    stripe.order("clock", offset_s=3 * 86_400)
    second = paid_out(stripe, account_id)  # of the money that came back
    landings.apply(account_id, second)
    assert ours() == [("landed", "")]
    landings.apply(account_id, first)
    assert ours() == [("landed", "")]


def test_the_newest_word_counts_also_when_it_is_heard_first(
    cast: Cast, ana: Membership, account_id: str, stripe: LocalStripe
) -> None:
    sent(cast, ana)
    first = paid_out(stripe, account_id)
    failed(stripe, first)
    stripe.order("clock", offset_s=3 * 86_400)
    second = paid_out(stripe, account_id)
    landings.apply(account_id, second)
    landings.apply(account_id, first)
    assert (ours(), mails()) == ([("landed", "")], [])


def test_only_the_payouts_whose_transfers_were_in_it_change(
    cast: Cast, ana: Membership, account_id: str, stripe: LocalStripe
) -> None:
    sent(cast, ana)
    first = paid_out(stripe, account_id)
    sent(cast, ana, seconds=70)
    second = paid_out(stripe, account_id, "in_transit")
    landings.apply(account_id, first)
    landings.apply(account_id, second)
    assert [state for state, _reason in ours()] == ["landed", "sent"]


def test_what_was_reversed_stays_so(
    cast: Cast, ana: Membership, account_id: str, stripe: LocalStripe
) -> None:
    sent(cast, ana)
    bank_payout = paid_out(stripe, account_id)
    with transaction():
        session().exec(select(Payout)).one().state = "reversed"
    assert landings.apply(account_id, bank_payout) == "0 payouts: paid"


def test_the_events_of_the_advocates_account_bring_it(
    cast: Cast, ana: Membership, account_id: str, stripe: LocalStripe
) -> None:
    sent(cast, ana)
    bank_payout = paid_out(stripe, account_id)
    lie = {"id": bank_payout, "object": "payout", "status": "failed"}
    for number, kind in enumerate(("payout.failed", "payout.paid")):
        event = {
            "id": f"evt_{number}",
            "object": "event",
            "type": kind,
            "account": account_id,
            "data": {"object": lie},
        }
        with transaction():
            assert stripe_event_rows.store(event)
    assert stripe_events.apply_events() == 2
    assert ours() == [("landed", "")]  # as it was read, not as it was said


def test_what_nobody_told_us_is_looked_up(
    cast: Cast, ana: Membership, account_id: str, stripe: LocalStripe
) -> None:
    sent(cast, ana)
    assert landings.catch_up() == 0
    paid_out(stripe, account_id)
    assert landings.catch_up() == 1
    assert landings.catch_up() == 0
    assert ours() == [("landed", "")]


def test_a_failure_and_a_second_try_that_nobody_told_us_of_are_looked_up_too(
    cast: Cast, ana: Membership, account_id: str, stripe: LocalStripe
) -> None:
    sent(cast, ana)
    bank_payout = paid_out(stripe, account_id)
    assert landings.catch_up() == 1
    failed(stripe, bank_payout)
    assert landings.catch_up() == 1
    assert (ours(), len(mails())) == ([("bank_failed", "The bank account has been closed.")], 1)
    stripe.order("clock", offset_s=86_400)
    paid_out(stripe, account_id)
    landings.catch_up()
    assert (ours(), len(mails())) == ([("landed", "")], 1)


def test_the_account_that_was_paid_is_asked_also_when_the_advocate_has_another_now(
    cast: Cast, ana: Membership, account_id: str, stripe: LocalStripe
) -> None:
    sent(cast, ana)
    with transaction():
        session().exec(select(PayoutAccount)).one().stripe_account_id = "acct_another"
    paid_out(stripe, account_id)
    assert landings.catch_up() == 1


def test_every_account_has_its_turn() -> None:
    accounts = [f"acct_{number:04d}" for number in range(450)]
    turns = [landings.in_turn(accounts, turn) for turn in range(3)]
    assert [len(each) for each in turns] == [200, 200, 50]
    assert sorted(each for turn in turns for each in turn) == accounts
    assert landings.in_turn([], 7) == []


def test_a_silent_stripe_changes_nothing(
    cast: Cast, ana: Membership, account_id: str, stripe: LocalStripe
) -> None:
    sent(cast, ana)
    bank_payout = paid_out(stripe, account_id)
    stripe.fault("error_500_before", method="GET", path="/v1/balance_transactions", times=5)
    with pytest.raises(Unsure):
        landings.apply(account_id, bank_payout)
    stripe.clear_faults()
    assert ours() == [("sent", "")]


def test_what_landed_is_no_difference_and_is_shown(
    cast: Cast, ana: Membership, account_id: str, stripe: LocalStripe, client: FlaskClient
) -> None:
    sent(cast, ana)
    landings.apply(account_id, paid_out(stripe, account_id))
    with at(now() + timedelta(minutes=2)):
        reconciliation.reconcile()
    with transaction(read_only=True):
        payout = session().exec(select(Payout)).one()
        person = session().get_one(Person, ana.person_id)
    sign_in(client, cast.finance)
    assert "landed" in client.get(f"/console/payouts/items/{payout.id}").text
    assert "landed" in client.get(f"/console/payouts/{payout.run_id}").text
    sign_in(client, person)
    assert "€12.90" in client.get("/portal/rewards").text
