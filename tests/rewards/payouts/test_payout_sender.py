import threading
import time
from datetime import timedelta

import pytest
from sqlmodel import select

from advocates.membership import Membership
from core.clock import at, now
from core.db import session, transaction
from core.outbox import OutboxMessage
from core.settings import configure, settings
from hub import actions
from rewards import grants
from rewards.ledger import ledger, proof
from rewards.payouts import accounts, payout_decisions, payout_outcomes, payout_sender, payouts
from rewards.payouts.payout_decisions import AccountNotReady, NotSettled, NotStopped, TransferExists
from rewards.payouts.runs import Payout
from rewards.stripe import stripe_accounts, stripe_event_rows, stripe_events
from tests.factories import Cast, acting, make_advocate
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.payouts.sending import (
    attempts_of,
    clean,
    foreign_transfer,
    retry,
    reverse,
    send,
    soon,
    state_of,
)
from tests.rewards.stories import approved, percent_rule, reserved_payouts, stripe_account


def test_a_payout_is_sent_once_and_everything_says_so(
    cast: Cast, ana: Membership, payout_id: str, stripe: LocalStripe
) -> None:
    assert send() == 1
    assert send(hours=1) == 0
    (transfer,) = stripe.transfers()
    with transaction():
        payout = session().get_one(Payout, payout_id)
        assert (payout.state, payout.transfer_id) == ("sent", transfer["id"])
        assert (transfer["amount"], transfer["currency"], transfer["metadata"]["payout"]) == (
            1_290,
            "eur",
            payout_id,
        )
        assert {each.state for each in session().exec(select(grants.Reward))} == {"paid"}
        assert ledger.balance(ledger.STRIPE, "EUR") == 1_290
        assert ledger.balance(ledger.reserved(ana.id), "EUR") == 0
        mail = session().exec(select(OutboxMessage)).one()
        assert mail.content["subject"] == "€12.90 is on its way to you"
    (attempt,) = attempts_of(payout_id)
    assert (attempt.key, attempt.outcome) == (f"po_{payout_id}_a1", "sent")
    assert clean() == []


def test_amounts_reach_stripe_in_its_own_units(cast: Cast, ana: Membership, stripe: LocalStripe) -> None:
    for amount, currency in ((1_230, "JPY"), (123_000, "KWD"), (5_000, "ISK")):
        stripe.order("balance", currency=currency.lower(), amount=10**9)
        approved(ana, cast.manager, amount, currency, cast.finance)
    reserved_payouts(cast.programme, cast.finance)
    assert send() == 3
    assert {each["currency"]: each["amount"] for each in stripe.transfers()} == {
        "jpy": 123,
        "kwd": 12_300,
        "isk": 50_000,
    }
    assert clean() == []


@pytest.mark.parametrize("kind", ["drop_after_commit", "error_500_after_commit", "bad_json"])
@pytest.mark.parametrize("times", [1, 3])
def test_a_transfer_whose_answer_was_lost_is_found_and_adopted(
    payout_id: str, stripe: LocalStripe, kind: str, times: int
) -> None:
    stripe.fault(kind, times=times)
    assert send() + send(minutes=2) + send(hours=1) == 1
    assert len(stripe.transfers()) == 1
    assert state_of(payout_id) == "sent"
    assert clean() == []


def test_when_nothing_can_be_learned_the_payout_is_ambiguous_and_the_same_request_goes_again(
    payout_id: str, stripe: LocalStripe
) -> None:
    stripe.fault("drop_after_commit", times=3)
    stripe.fault("error_500_before", method="GET")
    assert send() == 0
    assert state_of(payout_id) == "ambiguous"
    assert clean() == []
    assert send() == 0  # not before its pause is over
    assert send(minutes=2) == 1
    assert len(stripe.transfers()) == 1
    assert [each.key for each in attempts_of(payout_id)] == [f"po_{payout_id}_a1"]
    assert clean() == []


def test_within_20_hours_the_same_key_is_sent_again_and_afterwards_a_new_one(
    payout_id: str, stripe: LocalStripe
) -> None:
    stripe.fault("error_500_before", times=1)  # the key replays the 500 for a day
    assert send() == 0
    assert send(minutes=2) == 0
    assert send(hours=19) == 0
    assert [each.outcome for each in attempts_of(payout_id)] == ["open"]
    assert stripe.transfers() == []
    assert send(hours=21) == 1
    assert [(each.number, each.outcome) for each in attempts_of(payout_id)] == [(1, "absent"), (2, "sent")]
    assert len(stripe.transfers()) == 1
    assert clean() == []


def test_after_20_hours_an_old_transfer_is_adopted_not_repeated(payout_id: str, stripe: LocalStripe) -> None:
    stripe.fault("drop_after_commit", times=3)
    stripe.fault("error_500_before", method="GET")
    assert send() == 0
    stripe.order("clock", offset_s=30 * 3600)  # the key is forgotten
    assert send(hours=30) == 1
    assert len(stripe.transfers()) == 1
    stripe.order("clock", offset_s=0)


def test_without_funds_the_payout_waits_and_goes_under_a_new_key(payout_id: str, stripe: LocalStripe) -> None:
    stripe.order("balance", currency="eur", amount=100)
    assert send() == 0
    assert state_of(payout_id) == "reserved"
    stripe.order("balance", currency="eur", amount=10**9)
    assert send(minutes=30) == 0
    assert send(hours=1) == 1
    assert [(each.number, each.outcome) for each in attempts_of(payout_id)] == [(1, "refused"), (2, "sent")]
    assert clean() == []


def test_a_payout_that_waits_for_funds_can_be_taken_back_and_goes_with_the_next_run(
    cast: Cast, payout_id: str, stripe: LocalStripe
) -> None:
    stripe.order("balance", currency="eur", amount=100)
    assert send() == 0
    with transaction():
        payout_decisions.take_back(payout_decisions.get_payout(payout_id), by=acting(cast.finance))
    stripe.order("balance", currency="eur", amount=10**9)
    assert send(hours=2) == 0
    assert state_of(payout_id) == "taken_back"
    assert clean() == []


def test_a_payout_that_waits_for_funds_can_be_sent_at_once_when_they_are_there(
    cast: Cast, payout_id: str, stripe: LocalStripe
) -> None:
    stripe.order("balance", currency="eur", amount=100)
    assert send() == 0
    stripe.order("balance", currency="eur", amount=10**9)
    with transaction():
        payout_decisions.retry(payout_decisions.get_payout(payout_id), by=acting(cast.finance))
    assert send() == 1
    assert [each.number for each in attempts_of(payout_id)] == [1, 2]


def test_a_payout_that_nobody_tried_yet_is_not_stopped(cast: Cast, payout_id: str) -> None:
    with transaction(), pytest.raises(NotStopped):
        payout_decisions.take_back(payout_decisions.get_payout(payout_id), by=acting(cast.finance))


def test_a_turned_away_request_is_sent_again_under_the_same_key(payout_id: str, stripe: LocalStripe) -> None:
    stripe.fault("rate_limit_429")
    assert send() == 0
    assert state_of(payout_id) == "reserved"
    assert send(minutes=1) == 1
    assert [each.number for each in attempts_of(payout_id)] == [1]


def test_once_turned_away_nothing_more_is_begun_in_this_run(
    cast: Cast, ana: Membership, payout_id: str, stripe: LocalStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payout_sender, "SENDERS", 1)
    for number in range(3):
        with at(soon(minutes=number + 1)):
            approved(ana, cast.manager)
            reserved_payouts(cast.programme, cast.finance)
    stripe.fault("rate_limit_429")
    assert send(minutes=5) == 0
    assert stripe.calls("POST", "/v1/transfers") == 1
    assert send(minutes=6) == 4
    assert clean() == []


def test_several_at_once_keep_the_pace_together(cast: Cast, ana: Membership, stripe: LocalStripe) -> None:
    for number in range(8):
        with at(soon(minutes=number)):
            approved(ana, cast.manager)
            reserved_payouts(cast.programme, cast.finance)
    configure(settings().model_copy(update={"stripe_payouts_per_s": 20}))
    stripe.fault("slow_commit", times=8, seconds=0.1)
    began = time.monotonic()
    assert send(minutes=10) == 8
    assert time.monotonic() - began >= 7 / 20
    assert clean() == []


def test_a_definitive_no_rejects_and_finance_tries_again(
    cast: Cast, payout_id: str, stripe: LocalStripe
) -> None:
    stripe.fault("refuse", code="transfers_not_allowed")
    assert send() == 0
    assert state_of(payout_id) == "rejected"
    assert send(hours=30) == 0
    with transaction():
        (asked,) = actions.waiting_for(acting(cast.finance), kind="payout.look").items
        assert asked.subject_id == payout_id
        payout_decisions.retry(payout_decisions.get_payout(payout_id), by=acting(cast.finance))
        assert actions.waiting_for(acting(cast.finance)).items == []
    assert send() == 1
    assert clean() == []


def test_money_of_a_rejected_payout_can_be_taken_back_and_is_paid_by_the_next_run(
    cast: Cast, ana: Membership, payout_id: str, stripe: LocalStripe
) -> None:
    stripe.fault("refuse")
    send()
    with transaction():
        payout_decisions.take_back(payout_decisions.get_payout(payout_id), by=acting(cast.finance))
        assert ledger.balance(ledger.payable(ana.id), "EUR") == 1_290
        assert proof.problems() == []
    with pytest.raises(NotStopped), transaction():
        payout_decisions.take_back(payout_decisions.get_payout(payout_id), by=acting(cast.finance))
    with at(soon(minutes=2)):
        (again,) = reserved_payouts(cast.programme, cast.finance)
    assert send(minutes=3) == 1
    assert state_of(again) == "sent"
    assert len(stripe.transfers()) == 1
    assert clean() == []


def test_a_restricted_account_holds_the_payout(
    cast: Cast, ana: Membership, payout_id: str, stripe: LocalStripe
) -> None:
    with transaction():
        account = accounts.account_of(ana.person_id)
        assert account is not None
        account.read_at = now() - timedelta(hours=2)  # long enough ago to ask again
        session().add(account)
        stripe_id = account.stripe_account_id
    stripe.order(f"accounts/{stripe_id}", payouts_enabled=False, disabled_reason="requirements.past_due")
    assert send() == 0
    assert (state_of(payout_id), attempts_of(payout_id), stripe.transfers()) == ("held", [], [])
    with pytest.raises(AccountNotReady), transaction():
        payout_decisions.retry(payout_decisions.get_payout(payout_id), by=acting(cast.finance))
    stripe.order(f"accounts/{stripe_id}", payouts_enabled=True, disabled_reason=None)
    facts = stripe_accounts.read_account(str(stripe_id))
    with transaction():
        accounts.note_facts(facts)
    with transaction():
        payout_decisions.retry(payout_decisions.get_payout(payout_id), by=acting(cast.finance))
    assert send() == 1
    assert clean() == []


def test_a_capability_lost_since_we_looked_is_refused_by_stripe_and_held(
    ana: Membership, payout_id: str, stripe: LocalStripe
) -> None:
    with transaction():
        account = accounts.account_of(ana.person_id)
        assert account is not None
    stripe.order(f"accounts/{account.stripe_account_id}", transfers="inactive")
    assert send() == 0
    assert state_of(payout_id) == "held"
    assert [each.outcome for each in attempts_of(payout_id)] == ["refused"]
    assert clean() == []


def test_an_account_swapped_after_the_run_was_made_holds_the_payout(
    ana: Membership, payout_id: str, stripe: LocalStripe
) -> None:
    with transaction():
        account = accounts.account_of(ana.person_id)
        assert account is not None
        old = account.stripe_account_id
        accounts.note_gone(str(old))
    stripe_account(ana, stripe)
    assert send() == 0
    assert (state_of(payout_id), stripe.transfers()) == ("held", [])


def test_a_disconnected_account_holds_the_payout(
    ana: Membership, payout_id: str, stripe: LocalStripe
) -> None:
    with transaction():
        account = accounts.account_of(ana.person_id)
        assert account is not None
    stripe.order(f"accounts/{account.stripe_account_id}/deauthorize")
    with at(now() + timedelta(hours=2)):
        assert payouts.send_due() == 0
    assert state_of(payout_id) == "held"


def test_a_held_payout_with_an_open_attempt_is_looked_up_and_not_taken_back_before_it_is_certain(
    cast: Cast, ana: Membership, payout_id: str, stripe: LocalStripe
) -> None:
    stripe.fault("error_500_before", times=1)
    send()
    with transaction():
        account = accounts.account_of(ana.person_id)
        assert account is not None
        accounts.note_gone(str(account.stripe_account_id))
    assert send(minutes=2) == 0
    assert state_of(payout_id) == "held"
    with pytest.raises(NotSettled), transaction():
        payout_decisions.take_back(payout_decisions.get_payout(payout_id), by=acting(cast.finance))
    assert send(hours=21) == 0
    assert (state_of(payout_id), [each.outcome for each in attempts_of(payout_id)]) == ("held", ["absent"])
    with transaction():
        payout_decisions.take_back(payout_decisions.get_payout(payout_id), by=acting(cast.finance))
    assert clean() == []


def test_a_transfer_of_another_amount_stops_everything(payout_id: str, stripe: LocalStripe) -> None:
    foreign_transfer(payout_id)
    stripe.fault("refuse")
    assert send() == 0
    assert state_of(payout_id) == "held"
    assert clean() == []


def test_a_sender_that_was_overtaken_writes_nothing_but_a_transfer_that_exists(
    payout_id: str, stripe: LocalStripe
) -> None:
    with at(soon()):
        slow = payout_sender._claim(payout_id)  # noqa: SLF001 - the step itself is what is tested
    assert slow is not None
    with at(soon(minutes=2)):  # its lease is over
        assert payouts.send_due() == 1
    with transaction():
        assert not payout_outcomes.unclear(slow.payout, "late")
        assert not payout_outcomes.hold(slow.payout, "late")
    with at(soon(minutes=2)):
        assert not payout_sender._try_anew(slow)  # noqa: SLF001 - as above
    assert len(stripe.transfers()) == 1
    assert state_of(payout_id) == "sent"


def test_many_senders_at_once_send_each_payout_once(cast: Cast, stripe: LocalStripe) -> None:
    with transaction():
        percent_rule(cast.programme)
        members = [make_advocate(cast.programme, f"Advocate {n}") for n in range(6)]
    for each in members:
        stripe_account(each, stripe)
        approved(each, cast.manager)
    reserved_payouts(cast.programme, cast.finance)
    when, sent = soon(), []

    def sender() -> None:
        with at(when):
            sent.append(payouts.send_due())

    threads = [threading.Thread(target=sender) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(sent) == 6
    assert len(stripe.transfers()) == 6
    assert clean() == []


def test_a_transfer_that_was_reversed_before_we_wrote_it_down_is_put_before_finance(
    cast: Cast, payout_id: str, stripe: LocalStripe
) -> None:
    stripe.fault("drop_after_commit", times=3)
    stripe.fault("error_500_before", method="GET")
    assert send() == 0
    (transfer,) = stripe.transfers()
    stripe.api(f"transfers/{transfer['id']}/reversals")
    with transaction():
        about = {"object": {"id": transfer["id"]}}
        stripe_event_rows.store({"id": "evt_1", "type": "transfer.reversed", "data": about})
    assert stripe_events.apply_events() == 0  # not ours yet, and not forgotten
    assert send(minutes=2) == 1
    assert state_of(payout_id) == "reversed"
    with transaction():
        (asked,) = actions.waiting_for(acting(cast.finance), kind="payout.look").items
        assert transfer["id"] in asked.summary
        assert session().exec(select(OutboxMessage).where(OutboxMessage.subject == payout_id)).all() == []
        payout_decisions.pay_again(payout_decisions.get_payout(payout_id), by=acting(cast.finance))
    with at(soon(minutes=5)):
        assert stripe_events.apply_events() == 1
    with transaction():
        assert actions.waiting_for(acting(cast.finance), kind="payout.look").items == []
    assert clean() == []


def test_beside_a_transfer_of_another_amount_nothing_is_paid_or_freed_until_it_is_reversed(
    cast: Cast, payout_id: str, stripe: LocalStripe
) -> None:
    transfer_id = foreign_transfer(payout_id)
    stripe.fault("refuse")
    assert send() == 0
    assert [each.outcome for each in attempts_of(payout_id)] == ["refused"]
    with pytest.raises(TransferExists), transaction():
        payout_decisions.take_back(payout_decisions.get_payout(payout_id), by=acting(cast.finance))
    retry(cast, payout_id)
    assert send(minutes=2) == 0
    assert (state_of(payout_id), len(stripe.transfers())) == ("held", 1)
    reverse(stripe, transfer_id)
    retry(cast, payout_id)
    assert send(minutes=4) == 1
    assert [each["amount"] for each in stripe.transfers()] == [1_290, 99]
    assert clean() == []


def test_an_attempt_that_may_still_arrive_is_not_closed_by_a_transfer_of_another_amount(
    cast: Cast, payout_id: str, stripe: LocalStripe
) -> None:
    foreign_transfer(payout_id)
    stripe.fault("error_500_before")
    assert send() == 0
    assert (state_of(payout_id), [each.outcome for each in attempts_of(payout_id)]) == ("held", ["open"])
    with pytest.raises(NotSettled), transaction():
        payout_decisions.take_back(payout_decisions.get_payout(payout_id), by=acting(cast.finance))
    assert send(hours=21) == 0
    assert [each.outcome for each in attempts_of(payout_id)] == ["refused"]
    assert (state_of(payout_id), len(stripe.transfers())) == ("held", 1)
    assert clean() == []
