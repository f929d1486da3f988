import threading
from datetime import timedelta

import pytest

from core import db
from core.clock import at, now
from hub import metrics
from referrals.conversions import Refund
from referrals.links import Link
from referrals.refunds import apply_parked_refunds, stuck_refunds
from tests.factories import Cast
from tests.referrals.stories import bring, give_back, make_earner, make_link


@pytest.fixture
def link(cast: Cast) -> Link:
    with db.transaction():
        return make_link(make_earner(cast.programme), "ana")


def missed(cast: Cast, sale: str, amount_minor: int) -> str:
    """A refund as the race leaves it: parked, although its sale is there."""
    with db.transaction():
        parked = give_back(cast.north.id, f"{sale}-not-yet", amount_minor)
        parked.conversion_external_id = sale
        db.session().add(parked)
        return parked.id


def state_of(refund_id: str) -> str:
    with db.transaction(read_only=True):
        return db.session().get_one(Refund, refund_id).state


def test_a_refund_that_missed_its_sale_is_found_and_applied_once_by_two_clocks(
    cast: Cast, link: Link
) -> None:
    with db.transaction():
        bring(cast.north.id, external_id="o-1", code="ana")
    parked, too_much = missed(cast, "o-1", 2_900), missed(cast, "o-1", 12_000)
    with db.transaction():
        give_back(cast.north.id, "never-told", 100)
    with db.transaction(read_only=True):
        assert stuck_refunds() == []
    with at(now() + timedelta(minutes=2)), db.transaction(read_only=True):
        assert [each.split()[1] for each in stuck_refunds()] == [parked, too_much]
    settled: list[int] = []
    clocks = [threading.Thread(target=lambda: settled.append(apply_parked_refunds())) for _ in range(4)]
    for each in clocks:
        each.start()
    for each in clocks:
        each.join()
    assert (len(settled), sum(settled)) == (4, 2)
    assert (state_of(parked), state_of(too_much)) == ("applied", "refused")
    with at(now() + timedelta(minutes=2)), db.transaction(read_only=True):
        assert stuck_refunds() == []
        assert metrics.value_of("revenue:EUR", "all", link.membership_id) == 10_000
        assert metrics.differences() == []
