from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlmodel import col, select

from advocates.membership import Membership
from core.clock import at, now
from core.db import session, transaction
from core.errors import Forbidden
from hub import actions
from rewards.ledger import ledger
from rewards.ledger.ledger import Entry, Movement
from rewards.payouts import payout_decisions, payouts, reconciliation
from rewards.payouts.reconciliation import (
    ReconciledBalance,
    ReconciledSum,
    Reconciliation,
    ReconciliationDifference,
)
from rewards.stripe import missed_events, stripe_events
from tests.factories import Cast, acting, make_staff, sign_in
from tests.rewards.local_stripe import LocalStripe

PAGE = "/console/payouts/reconciliation"


@pytest.fixture
def sent(payout_id: str) -> str:
    with at(now() + timedelta(seconds=2)):
        assert payouts.send_due() == 1
    return payout_id


def compared(days: float = 1) -> tuple[list[tuple[str, int, int]], list[tuple[str, int, int]]]:
    """Sums as (currency, ours, theirs) and differences as (kind, ours, theirs), of a comparison then."""
    with at(now() + timedelta(days=days)):
        assert reconciliation.reconcile() == 1
    with transaction(read_only=True):
        newest = session().exec(select(Reconciliation).order_by(col(Reconciliation.id).desc())).first()
        assert newest is not None
        sums = select(ReconciledSum).where(ReconciledSum.reconciliation_id == newest.id)
        rows = select(ReconciliationDifference).where(ReconciliationDifference.reconciliation_id == newest.id)
        return (
            [(each.currency, each.ours_minor, each.theirs_minor) for each in session().exec(sums)],
            [(each.kind, each.ours_minor, each.theirs_minor) for each in session().exec(rows)],
        )


def transfer(stripe: LocalStripe, destination: str, amount: int = 700, **form: str) -> None:
    stripe.api("transfers", amount=str(amount), currency="eur", destination=destination, **form)


def test_a_payout_with_its_transfer_differs_by_nothing(sent: str) -> None:
    assert compared() == ([("EUR", 1_290, 1_290)], [])


def test_what_is_under_way_just_now_is_left_to_the_next_night(
    ana: Membership, payout_id: str, stripe: LocalStripe
) -> None:
    destination = stripe.read("accounts")["data"][0]["id"]
    transfer(stripe, destination, 1_290, **{"metadata[payout]": payout_id})
    assert compared(days=0) == ([], [])
    assert compared(days=1)[1] == [("unsettled", 0, 1_290)]


def test_a_transfer_that_we_know_is_compared_however_new_it_is(sent: str) -> None:
    assert compared(days=0) == ([("EUR", 1_290, 1_290)], [])


def test_a_payout_without_a_transfer_is_missing_until_it_is_there(
    cast: Cast, sent: str, stripe: LocalStripe
) -> None:
    stripe.order("reset")
    assert compared() == ([("EUR", 1_290, 0)], [("missing", 1_290, 0)])
    with transaction():
        (asked,) = actions.waiting_for(acting(cast.finance), kind=reconciliation.LOOK).items
        assert asked.summary == "Stripe and our books differ about 1 payout."
        assert actions.waiting_for(acting(cast.other_manager), kind=reconciliation.LOOK).items == []


def test_a_transfer_taken_back_at_stripe_is_a_difference_and_nothing_of_ours_changes(
    cast: Cast, sent: str, stripe: LocalStripe
) -> None:
    (made,) = stripe.transfers()
    stripe.api(f"transfers/{made['id']}/reversals", amount="290")
    assert compared() == ([("EUR", 1_290, 1_000)], [("reversed", 1_290, 1_000)])


def test_a_second_transfer_for_a_payout_is_found(ana: Membership, sent: str, stripe: LocalStripe) -> None:
    (made,) = stripe.transfers()
    transfer(stripe, made["destination"], 1_290, **{"metadata[payout]": sent})
    assert compared() == ([("EUR", 1_290, 2_580)], [("twice", 1_290, 2_580)])


def test_a_transfer_for_a_payout_that_was_not_sent_is_unsettled(
    ana: Membership, payout_id: str, stripe: LocalStripe
) -> None:
    destination = stripe.read("accounts")["data"][0]["id"]
    transfer(stripe, destination, 1_290, **{"metadata[payout]": payout_id})
    assert compared() == ([("EUR", 0, 1_290)], [("unsettled", 0, 1_290)])


def test_transfers_of_others_are_told_apart_over_many_pages(
    ana: Membership, sent: str, stripe: LocalStripe
) -> None:
    destination = stripe.read("accounts")["data"][0]["id"]
    for _ in range(101):
        transfer(stripe, destination, 1)
    transfer(stripe, destination, 5, **{"metadata[payout]": "another-installation"})
    sums, differences = compared()
    assert (sorted(sums), differences) == ([("EUR", 0, 5), ("EUR", 1_290, 1_290)], [("stranger", 0, 5)])
    with transaction(read_only=True):
        done = session().exec(select(Reconciliation)).one()
        assert (done.transfers, done.not_ours) == (103, 101)


def balances() -> list[tuple[str, int, int]]:
    """Of the newest comparison: currency, what has left as our ledger says, as Stripe's balance says."""
    with transaction(read_only=True):
        newest = select(Reconciliation.id).order_by(col(Reconciliation.id).desc()).limit(1)
        rows = select(ReconciledBalance).where(
            ReconciledBalance.reconciliation_id == newest.scalar_subquery()
        )
        return [(each.currency, each.ours_minor, each.theirs_minor) for each in session().exec(rows)]


def test_the_balance_moved_by_what_the_ledger_says_whatever_else_moves_it(
    ana: Membership, sent: str, stripe: LocalStripe
) -> None:
    (made,) = stripe.transfers()
    transfer(stripe, made["destination"])
    assert compared()[1] == []
    assert balances() == [("EUR", 1_290, 1_290)]
    stripe.api(f"transfers/{made['id']}/reversals")
    assert compared(days=2)[1] == [("reversed", 1_290, 0)]
    assert balances() == [("EUR", 1_290, 0)]


@pytest.mark.parametrize("decision", [None, "pay_again", "keep"])
def test_what_came_back_is_in_the_balance_and_in_our_books_whatever_finance_decides(
    cast: Cast, sent: str, stripe: LocalStripe, decision: str | None
) -> None:
    (made,) = stripe.transfers()
    stripe.api(f"transfers/{made['id']}/reversals")
    missed_events.fetch_missed()
    stripe_events.apply_events()
    with transaction():
        payout = payout_decisions.get_payout(sent)
        if decision == "pay_again":
            payout_decisions.pay_again(payout, by=acting(cast.finance))
        elif decision == "keep":
            payout_decisions.keep(payout, by=acting(cast.finance), reason="Her shop was a front")
    assert compared() == ([("EUR", 0, 0)], [])
    assert balances() == [("EUR", 0, 0)]


@pytest.mark.parametrize("decided", [False, True])
def test_a_part_that_came_back_is_no_difference_once_we_know_of_it(
    cast: Cast, sent: str, stripe: LocalStripe, decided: bool
) -> None:
    (made,) = stripe.transfers()
    stripe.api(f"transfers/{made['id']}/reversals", amount="290")
    missed_events.fetch_missed()
    stripe_events.apply_events()
    if decided:
        with transaction():
            payout_decisions.pay_part_again(payout_decisions.get_payout(sent), by=acting(cast.finance))
    assert compared() == ([("EUR", 1_000, 1_000)], [])
    assert balances() == [("EUR", 1_000, 1_000)]


def test_a_posting_too_many_is_found_by_the_balance_though_the_lists_agree(
    cast: Cast, ana: Membership, sent: str
) -> None:
    with transaction():
        wrong = Movement(ledger.expense(cast.programme.id), ledger.STRIPE, 100, "EUR")
        ledger.post(Entry("by mistake", "payout.sent", sent, (wrong,)))
    assert compared() == ([("EUR", 1_290, 1_290)], [("balance", 1_390, 1_290)])
    assert balances() == [("EUR", 1_390, 1_290)]


def test_what_waits_is_held_against_what_is_there(
    cast: Cast, ana: Membership, payout_id: str, stripe: LocalStripe
) -> None:
    stripe.order("balance", currency="eur", amount=290)
    compared()
    with transaction(read_only=True):
        (row,) = session().exec(select(ReconciledBalance))
        assert (row.ours_minor, row.available_minor, row.waiting_minor) == (0, 290, 1_290)
        assert row.missing.amount_minor == 1_000


def test_it_is_done_once_a_day_and_when_finance_asks(cast: Cast, sent: str) -> None:
    compared()
    with at(now() + timedelta(days=1, hours=1)):
        assert reconciliation.reconcile() == 0
        with transaction():
            asked = reconciliation.ask_to_compare(by=acting(cast.finance))
            assert reconciliation.ask_to_compare(by=acting(cast.finance)).id == asked.id
        with pytest.raises(Forbidden), transaction():
            reconciliation.ask_to_compare(by=acting(cast.manager))
        assert reconciliation.reconcile() == 1
        assert reconciliation.reconcile() == 0
    assert compared(days=3)[1] == []


def test_a_clock_that_broke_off_is_followed_by_the_next(sent: str, stripe: LocalStripe) -> None:
    stripe.fault("error_500_before", method="GET")
    with at(now() + timedelta(days=1)), pytest.raises(Exception, match="error"):
        reconciliation.reconcile()
    with at(now() + timedelta(days=1, minutes=1)):
        assert reconciliation.reconcile() == 0  # the lease is not over
    with at(now() + timedelta(days=1, minutes=31)):
        assert reconciliation.reconcile() == 1


def test_the_page_shows_nothing_as_zero_and_a_unit_only_its_own(
    client: FlaskClient, cast: Cast, sent: str
) -> None:
    sign_in(client, cast.finance)
    assert "Not compared yet" in client.get(PAGE).text
    assert client.post(PAGE).status_code == 303
    assert "under way" in client.get(PAGE).text
    compared()
    shown = client.get(PAGE).text
    assert "€12.90" in shown
    assert "€0.00" in shown
    assert "Every payout has its one transfer" in shown
    assert "Balance at Stripe" not in shown
    with transaction():
        central = make_staff("Fin Hub", "finance", cast.hub)
    assert "Balance at Stripe" in sign_in(client, central).get(PAGE).text
    other = sign_in(client, cast.other_manager).get(PAGE)
    assert other.status_code == 200
    assert "€12.90" not in other.text
    assert sign_in(client, cast.other_manager).post(PAGE).status_code == 403
    assert sign_in(client, cast.stranger).get(PAGE).status_code == 403
