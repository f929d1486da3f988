"""An advocate with a link, and a shop."""

import pytest

from advocates.membership import Membership
from core.db import transaction
from tests.factories import Cast
from tests.referrals.stories import make_earner, make_link
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stories import percent_rule
from tests.rewards.stripe.shop import Shop


@pytest.fixture
def ana(cast: Cast) -> Membership:
    with transaction():
        percent_rule(cast.programme)
        member = make_earner(cast.programme)
        make_link(member, "ana")
    return member


@pytest.fixture
def shop(stripe: LocalStripe) -> Shop:
    return Shop(stripe)
