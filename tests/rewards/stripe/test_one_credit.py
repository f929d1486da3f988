"""Stripe tells net, the shop gross: one order has one credit, whichever of the two is decided first."""

from datetime import timedelta
from typing import Any

import pytest

from advocates.membership import Membership
from core.access import COMMAND
from core.clock import at, now
from core.db import session, transaction
from referrals.conversions import reassignment
from referrals.conversions.conversions import Conversion
from referrals.conversions.looking_again import look_again
from referrals.conversions.reassignment import WonElsewhere
from tests.factories import Cast
from tests.referrals.stories import bring, make_earner, make_link
from tests.rewards.stripe.shop import Shop, every, told
from tests.rewards.stripe.twins import NUMBER, shop_tells, south_tells


def winners() -> list[str]:
    return [each.membership_id for each in every() if each.membership_id]


@pytest.mark.parametrize("shops_is_first", [False, True])
def test_both_wait_for_the_same_code(
    ana: Membership, cast: Cast, shop: Shop, *, shops_is_first: bool
) -> None:
    sent = {"metadata[spokes_code]": "later", "metadata[order_id]": NUMBER}
    assert told("checkout.session.completed", shop.sells(10_000, sent=sent)).startswith("recorded")
    start = now()
    if shops_is_first:  # the next look at Stripe's is after an hour
        for minutes in (2, 12):
            with at(start + timedelta(minutes=minutes)):
                look_again()
    with at(start + timedelta(minutes=30)), transaction():
        sold_at = start.isoformat()
        bring(cast.north.id, external_id=NUMBER, amount_minor=11_900, code="later", occurred_at=sold_at)
    with at(start - timedelta(hours=1)), transaction():  # entered late, and there when it was sold
        make_link(make_earner(cast.programme, "La Ter"), "later")
    for minutes in (32, 45, 75, 100):
        with at(start + timedelta(minutes=minutes)):
            look_again()
    assert len(winners()) == 1


def test_stripes_is_given_to_somebody_by_a_person(
    ana: Membership, cast: Cast, shop: Shop, paid: dict[str, Any]
) -> None:
    shop_tells(cast, 59_500)
    (nobodys,) = [each for each in every() if each.membership_id is None]
    with transaction():
        found = session().get_one(Conversion, nobodys.id)
        with pytest.raises(WonElsewhere):
            reassignment.reassign(found, ana, link_id=None, why="an appeal", by=COMMAND)
    assert winners() == [ana.id]


def test_a_neighbours_order_of_that_number_takes_no_credit_away(
    ana: Membership, cast: Cast, shop: Shop, sue: Membership
) -> None:
    south_tells(cast, 42_000)
    sent = {"metadata[spokes_code]": "ana", "metadata[order_id]": NUMBER}
    assert told("checkout.session.completed", shop.sells(10_000, sent=sent)).startswith("recorded")
    assert set(winners()) == {ana.id, sue.id}


def test_a_neighbours_order_takes_none_away_where_the_code_became_known_later(
    ana: Membership, cast: Cast, shop: Shop, sue: Membership
) -> None:
    start = now()
    sent = {"metadata[spokes_code]": "later", "metadata[order_id]": NUMBER}
    assert told("checkout.session.completed", shop.sells(10_000, sent=sent)).startswith("recorded")
    south_tells(cast, 42_000)
    with at(start - timedelta(hours=1)), transaction():
        later = make_earner(cast.programme, "La Ter")
        make_link(later, "later")
    for minutes in (2, 12, 75):
        with at(start + timedelta(minutes=minutes)):
            look_again()
    assert set(winners()) == {later.id, sue.id}


def test_a_person_gives_stripes_order_to_somebody_beside_a_neighbours(
    ana: Membership, cast: Cast, shop: Shop, paid: dict[str, Any], sue: Membership
) -> None:
    south_tells(cast, 900)
    (nobodys,) = [each for each in every() if each.membership_id is None]
    with transaction():
        found = session().get_one(Conversion, nobodys.id)
        reassignment.reassign(found, ana, link_id=None, why="an appeal", by=COMMAND)
    assert set(winners()) == {ana.id, sue.id}
