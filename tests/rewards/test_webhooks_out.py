"""Payouts as webhooks tell of them: what went out with its lines, what did not, what came back."""

from datetime import timedelta

import pytest

from core.clock import at, now
from core.db import session, transaction
from rewards.payouts import payout_decisions, payout_outcomes, payout_sender
from rewards.payouts.runs import Payout
from rewards.stripe.stripe_event_rows import store
from rewards.stripe.stripe_events import apply_events
from tests.factories import Cast, acting
from tests.hub.webhook_stories import Made, bodies, make_endpoint, types_of
from tests.referrals.stories import make_earner
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stories import approved, percent_rule, ready_account, reserved_payouts, stripe_account


@pytest.fixture
def made(cast: Cast) -> Made:
    """An endpoint of north that asked for everything."""
    return make_endpoint(cast.north, "https://hooks.example/in", by=cast.manager)


def test_payout_that_went_out_is_told_with_its_lines_and_what_failed_too(
    cast: Cast, made: Made, stripe: LocalStripe
) -> None:
    with transaction():
        percent_rule(cast.programme)
        earner, poor = make_earner(cast.programme), make_earner(cast.programme, "Bo Other")
    stripe_account(earner, stripe)
    with transaction():
        ready_account(poor, "acct_gone")
    lines = [approved(earner, cast.manager), approved(poor, cast.manager)]
    payouts = reserved_payouts(cast.programme, cast.finance)
    with at(now() + timedelta(seconds=2)):
        payout_sender.send_due()
    told = bodies(made)
    sent = [each["data"] for each in told if each["type"] == "payout.sent"]
    assert [(each["state"], each["amount_minor"]) for each in sent] == [("sent", 1_290)]
    assert [each["data"]["id"] for each in told if each["type"] == "reward.paid"] == lines[:1]
    assert next(each for each in told if each["type"] == "reward.paid")["data"]["state"] == "paid"
    failed = [each["data"] for each in told if each["type"] == "payout.failed"]
    assert [each["state"] for each in failed] == ["held"]
    assert {sent[0]["id"], failed[0]["id"]} == set(payouts)
    with transaction():
        payout_decisions.take_back(payout_decisions.get_payout(failed[0]["id"]), by=acting(cast.finance))
    stripe.api(f"transfers/{sent[0]['transfer_id']}/reversals")
    with transaction():
        transfer = {"object": {"id": sent[0]["transfer_id"]}}
        store({"id": "evt_1", "type": "transfer.reversed", "data": transfer})
    apply_events()
    assert types_of(made)[-2:] == ["payout.taken_back", "payout.reversed"]


def test_what_comes_back_in_parts_and_is_paid_again_is_told_each_time(
    cast: Cast, made: Made, stripe: LocalStripe
) -> None:
    with transaction():
        percent_rule(cast.programme)
        earner = make_earner(cast.programme)
    stripe_account(earner, stripe)
    line = approved(earner, cast.manager)
    [first] = reserved_payouts(cast.programme, cast.finance)
    with at(now() + timedelta(seconds=2)):
        payout_sender.send_due()
    [transfer] = stripe.transfers()
    for part in ({"amount": "300"}, {}):
        stripe.api(f"transfers/{transfer['id']}/reversals", **part)
        for telling in ("first", "again"):
            with transaction():
                about = {"object": {"id": transfer["id"]}}
                store({"id": f"evt_{part}_{telling}", "type": "transfer.reversed", "data": about})
            apply_events()
    with transaction():
        payout_decisions.pay_again(payout_decisions.get_payout(first), by=acting(cast.finance))
    with at(now() + timedelta(minutes=1)):
        [second] = reserved_payouts(cast.programme, cast.finance)
    with at(now() + timedelta(minutes=2)):
        payout_sender.send_due()
    told = bodies(made)
    assert [each["data"]["state"] for each in told if each["type"] == "payout.reversed"] == [
        "sent",
        "reversed",
    ]
    paid = [each["data"] for each in told if each["type"] == "reward.paid"]
    assert [(each["id"], each["payout_id"]) for each in paid] == [(line, first), (line, second)]


def test_payout_that_only_waits_for_funds_has_not_failed(cast: Cast, made: Made) -> None:
    with transaction():
        percent_rule(cast.programme)
        earner = make_earner(cast.programme)
        ready_account(earner)
    approved(earner, cast.manager)
    [payout_id] = reserved_payouts(cast.programme, cast.finance)
    with transaction():
        payout = session().get_one(Payout, payout_id)
        payout_outcomes.ask_to_look(payout, "No funds.")
    assert "payout.failed" not in types_of(made)
