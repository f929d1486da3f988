"""Which order of several units Stripe means: their numbers may be the same, their money is not."""

import pytest

import checks
from advocates.membership import Membership
from core.db import transaction
from referrals.conversions.conversions import Conversion
from tests.factories import Cast
from tests.referrals.stories import bring, make_earner, make_link
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stripe.shop import Shop, earned, every, left_lying, token, told

NUMBER = "1042"


@pytest.fixture
def neighbours(cast: Cast) -> None:
    """A shop of another unit has an order of that number, too; nobody won it."""
    with transaction():
        bring(cast.south.id, external_id=NUMBER, amount_minor=4_400, code="somebody")


def sells(shop: Shop, amount: int = 11_900) -> dict[str, str]:
    return shop.sells(amount, sent={"metadata[spk]": token(), "metadata[order_id]": NUMBER})


def own(cast: Cast, amount_minor: int = 11_900) -> None:
    with transaction():
        bring(cast.north.id, external_id=NUMBER, amount_minor=amount_minor, click=token())


def won() -> list[Conversion]:
    return [each for each in every() if each.membership_id is not None]


def test_told_gross_by_the_shop_and_net_by_stripe_it_is_won_once(
    ana: Membership, cast: Cast, shop: Shop, neighbours: None
) -> None:
    paid = sells(shop, 10_000)
    own(cast)
    assert told("checkout.session.completed", paid).startswith("known, told by the API")
    assert [each.amount_minor for each in won()] == [11_900]


def test_its_refund_is_taken_off_it(ana: Membership, cast: Cast, shop: Shop, neighbours: None) -> None:
    paid = sells(shop)
    own(cast)
    assert told("charge.refunded", shop.refunds(paid, 11_900)).endswith("11900 EUR taken off")
    assert sum(map(earned, every())) == 0


def test_its_dispute_is_taken_off_it(
    ana: Membership, cast: Cast, shop: Shop, stripe: LocalStripe, neighbours: None
) -> None:
    paid = sells(shop)
    own(cast)
    told("checkout.session.completed", paid)
    dispute = stripe.order(f"charges/{shop.charge(paid)['id']}/dispute")
    told("charge.dispute.created", dispute)
    stripe.order(f"disputes/{dispute['id']}/close", status="lost")
    assert told("charge.dispute.closed", dispute) == "11900 EUR taken off"
    assert sum(map(earned, every())) == 0


def test_of_two_that_were_won_the_one_with_the_sessions_click_is_meant(
    ana: Membership, cast: Cast, shop: Shop
) -> None:
    clicked = token()
    with transaction():
        make_link(make_earner(cast.other_programme, "Sue Sells"), "sue")
        bring(cast.north.id, external_id=NUMBER, amount_minor=11_900, click=clicked)
        bring(cast.south.id, external_id=NUMBER, amount_minor=4_400, code="sue")
    paid = shop.sells(10_000, sent={"metadata[spk]": clicked, "metadata[order_id]": NUMBER})
    assert told("checkout.session.completed", paid).startswith("known, told by the API")
    assert told("charge.refunded", shop.refunds(paid, 10_000)) == "11900 EUR taken off"
    assert sorted(each.refunded_minor for each in won()) == [0, 11_900]


def test_where_nothing_tells_two_apart_nothing_is_guessed_and_somebody_looks(
    ana: Membership, cast: Cast, shop: Shop
) -> None:
    paid = sells(shop, 10_000)
    with transaction():
        make_link(make_earner(cast.other_programme, "Sue Sells"), "sue")
        bring(cast.south.id, external_id=NUMBER, amount_minor=4_400, code="sue")
    own(cast)
    assert told("checkout.session.completed", paid) == ""
    assert len(left_lying()) == 1
    assert [each.refunded_minor for each in won()] == [0, 0]


def test_orders_that_nobody_won_are_none_of_stripes(
    ana: Membership, cast: Cast, shop: Shop, neighbours: None
) -> None:
    with transaction():
        bring(cast.north.id, external_id=NUMBER, amount_minor=7_700, code="somebody")
    assert told("checkout.session.completed", sells(shop)).startswith("recorded")
    assert [each.amount_minor for each in won()] == [11_900]
    with transaction(read_only=True):
        assert [each for name, look in checks.problems() if (each := look())] == []


def test_an_order_that_stripe_tells_otherwise_than_the_hubs_own_shop_leaves_its_event_open(
    ana: Membership, cast: Cast, shop: Shop
) -> None:
    with transaction():
        bring(cast.hub.id, external_id=NUMBER, kind="lead", code="ana", amount_minor=None, currency=None)
    assert told("checkout.session.completed", sells(shop)) == ""
    assert len(left_lying()) == 1
