"""kill -9 at every commit and every request of the sender, one after the other: exactly one transfer each.

The child runs the job, and is gone at its n-th boundary, for every n until it comes to its end.
"""

from datetime import timedelta

import pytest

from core.clock import at, now
from core.db import session, transaction
from rewards.ledger import proof
from rewards.payouts import payouts
from rewards.payouts.runs import Payout
from tests.conftest import ON_POSTGRESQL
from tests.factories import Cast, make_advocate
from tests.faults.kills import killed_at
from tests.rewards.conftest import stripe, stripe_process
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stories import approved, percent_rule, reserved_payouts, stripe_account

__all__ = ["stripe", "stripe_process"]
pytestmark = pytest.mark.long
LEAST_BOUNDARIES, MOST_BOUNDARIES = 8, 60


SITUATIONS = ["", "drop_after_commit", "error_500_after_commit", "refuse"]


AFTERWARDS = (*[timedelta(minutes=2)] * 3, timedelta(hours=5))
"""what was claimed becomes free, what was unclear is looked up, and whoever was killed in a call is not asleep in it"""


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
@pytest.mark.parametrize("fault", SITUATIONS[:2] if ON_POSTGRESQL else SITUATIONS)
def test_killed_at_any_boundary_a_payout_is_paid_once(cast: Cast, stripe: LocalStripe, fault: str) -> None:
    """With Stripe as it should be, and when it loses answers or says no, which makes the way longer."""
    with transaction():
        percent_rule(cast.programme)
        member = make_advocate(cast.programme)
    stripe_account(member, stripe)
    later, boundaries = now(), 0
    for boundary in range(1, MOST_BOUNDARIES):
        later += timedelta(minutes=10)
        with at(later):
            approved(member, cast.manager)
            (payout_id,) = reserved_payouts(cast.programme, cast.finance)
        later += timedelta(seconds=5)
        if fault:
            stripe.fault(fault, times=1)
        with at(later):
            killed = killed_at(boundary, payouts.send_due)
        stripe.clear_faults()
        for pause in AFTERWARDS:
            later += pause
            with at(later):
                payouts.send_due()
        _paid_once(payout_id, stripe)
        if not killed:
            boundaries = boundary - 1
            break
    assert boundaries >= LEAST_BOUNDARIES
    with transaction(read_only=True):
        assert proof.problems() == []


def _paid_once(payout_id: str, stripe: LocalStripe) -> None:
    with transaction(read_only=True):
        payout = session().get_one(Payout, payout_id)
    made = [each for each in stripe.transfers() if each["metadata"]["payout"] == payout_id]
    if payout.state == "rejected":
        assert made == []
        return
    assert (payout.state, [each["id"] for each in made]) == ("sent", [payout.transfer_id])
