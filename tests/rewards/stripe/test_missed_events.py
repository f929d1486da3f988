"""What Stripe told us in vain is fetched from its list of events."""

from datetime import timedelta

import pytest
from sqlmodel import select

from advocates.membership import Membership
from core.clock import at, now
from core.db import session, transaction
from hub import actions
from rewards.payouts import payouts
from rewards.stripe import missed_events, stripe_events
from rewards.stripe.stripe_event_rows import StripeEvent
from rewards.stripe.stripe_gateway import StripeError
from tests.factories import Cast, acting
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stories import approved, payable_advocate, reserved_payouts


@pytest.fixture
def ana(cast: Cast, stripe: LocalStripe) -> Membership:
    return payable_advocate(cast.programme, stripe)


def stored() -> list[str]:
    with transaction(read_only=True):
        return sorted(each.kind for each in session().exec(select(StripeEvent)))


def test_a_reversal_that_nobody_told_us_is_fetched_once_and_put_before_finance(
    cast: Cast, ana: Membership, stripe: LocalStripe
) -> None:
    approved(ana, cast.manager)
    reserved_payouts(cast.programme, cast.finance)
    with at(now() + timedelta(seconds=2)):
        assert payouts.send_due() == 1
    assert missed_events.fetch_missed() == 0  # that it was made follows nothing
    (made,) = stripe.transfers()
    stripe.api(f"transfers/{made['id']}/reversals", amount="1290")
    assert missed_events.fetch_missed() == 1
    assert missed_events.fetch_missed() == 0
    assert stored() == ["transfer.reversed"]
    assert stripe_events.apply_events() == 1
    with transaction():
        (asked,) = actions.waiting_for(acting(cast.finance), kind="payout.look").items
    assert made["id"] in asked.summary


def test_what_was_told_already_is_not_kept_again(cast: Cast, ana: Membership, stripe: LocalStripe) -> None:
    charge = {"id": "ch_1", "object": "charge", "amount": 100, "currency": "eur"}
    for _ in range(3):
        stripe.order("events", type="charge.refunded", data={"object": charge})
    assert missed_events.fetch_missed() == 3
    assert missed_events.fetch_missed() == 0
    with at(now() + timedelta(days=8)):
        assert missed_events.fetch_missed() == 0  # beyond a week nothing is asked for


def test_where_stripe_does_not_answer_nothing_is_kept_and_it_is_asked_again(
    ana: Membership, stripe: LocalStripe
) -> None:
    charge = {"id": "ch_1", "object": "charge", "amount": 100, "currency": "eur"}
    stripe.order("events", type="charge.refunded", data={"object": charge})
    stripe.fault("error_500_before", method="GET", path="/v1/events")
    with pytest.raises(StripeError):
        missed_events.fetch_missed()
    assert stored() == []
    assert missed_events.fetch_missed() == 1
