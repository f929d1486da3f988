"""Two advocates of one programme."""

import pytest

from advocates.membership import Membership
from core import db
from tests.factories import Cast
from tests.referrals.stories import make_earner, make_link
from tests.rewards.stories import percent_rule, points_rule


@pytest.fixture
def two(cast: Cast) -> tuple[Membership, Membership]:
    """Ana and Bo, advocates of the same programme, each with a link."""
    with db.transaction():
        percent_rule(cast.programme)
        points_rule(cast.programme, "sale", 7)
        ana, bo = make_earner(cast.programme), make_earner(cast.programme, "Bo Advocate")
        make_link(ana, "ana")
        make_link(bo, "bob", coupon="BOB10")
        return ana, bo
