"""An advocate with a link, and a shop."""

from typing import Any

import pytest

from advocates.membership import Membership
from core.db import transaction
from tests.factories import Cast
from tests.referrals.stories import make_earner, make_link
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stories import percent_rule
from tests.rewards.stripe.shop import Shop, every, told
from tests.rewards.stripe.twins import NUMBER


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


@pytest.fixture
def sue(cast: Cast) -> Membership:
    """An advocate of another unit."""
    with transaction():
        member = make_earner(cast.other_programme, "Sue Sells")
        make_link(member, "sue")
    return member


@pytest.fixture
def paid(ana: Membership, shop: Shop) -> dict[str, Any]:
    """A session that named a code which nobody has: it is the hub's, and nobody's."""
    made = shop.sells(50_000, sent={"metadata[spokes_code]": "typo", "metadata[order_id]": NUMBER})
    assert told("checkout.session.completed", made).startswith("recorded")
    assert [each.membership_id for each in every()] == [None]
    return made
