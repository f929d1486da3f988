"""An advocate with an account at the local Stripe, and a payout to her."""

import pytest

from advocates.membership import Membership
from core.db import transaction
from tests.factories import Cast, make_advocate
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stories import approved, percent_rule, reserved_payouts, stripe_account


@pytest.fixture
def ana(cast: Cast, stripe: LocalStripe) -> Membership:
    with transaction():
        percent_rule(cast.programme)
        made = make_advocate(cast.programme)
    stripe_account(made, stripe)
    return made


@pytest.fixture
def payout_id(cast: Cast, ana: Membership) -> str:
    approved(ana, cast.manager)
    (made,) = reserved_payouts(cast.programme, cast.finance)
    return made
