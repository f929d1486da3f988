"""An advocate with an account at the local Stripe, and a payout to her."""

import pytest

from advocates.membership import Membership
from tests.factories import Cast
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stories import approved, payable_advocate, reserved_payouts


@pytest.fixture
def ana(cast: Cast, stripe: LocalStripe) -> Membership:
    return payable_advocate(cast.programme, stripe)


@pytest.fixture
def payout_id(cast: Cast, ana: Membership) -> str:
    approved(ana, cast.manager)
    (made,) = reserved_payouts(cast.programme, cast.finance)
    return made
