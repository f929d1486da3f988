"""An order that Stripe told and nobody won, and the same one as a shop tells it later, and wins it."""

from typing import Any

import pytest

import checks
from advocates.membership import Membership
from core.access import COMMAND
from core.db import transaction
from referrals.conversions.conversions import Conversion
from rewards.reward import rewards_of_conversion
from rewards.stripe import settling, stripe_events
from tests.factories import Cast
from tests.referrals.stories import bring
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stripe.shop import Shop, every, left_lying, told

NUMBER = "1042"


@pytest.fixture
def paid(ana: Membership, shop: Shop) -> dict[str, Any]:
    """A session that named a code which nobody has: it is the hub's, and nobody's."""
    made = shop.sells(50_000, sent={"metadata[spokes_code]": "typo", "metadata[order_id]": NUMBER})
    assert told("checkout.session.completed", made).startswith("recorded")
    assert [each.membership_id for each in every()] == [None]
    return made


def shop_tells(cast: Cast, amount_minor: int = 50_000) -> Conversion:
    with transaction():
        sale = bring(cast.north.id, external_id=NUMBER, amount_minor=amount_minor, code="ana")
    stripe_events.apply_events()
    return sale


def given_back() -> dict[str | None, int]:
    """Winner → what was given back."""
    return {each.membership_id: each.refunded_minor for each in every()}


def test_every_refund_is_taken_off_the_one_that_is_won(
    ana: Membership, cast: Cast, shop: Shop, paid: dict[str, Any]
) -> None:
    shop_tells(cast)
    assert told("charge.refunded", shop.refunds(paid, 10_000)) == "10000 EUR taken off"
    assert told("charge.refunded", shop.refunds(paid, 15_000)) == "15000 EUR taken off"
    assert given_back() == {None: 0, ana.id: 25_000}
    with transaction(read_only=True):
        assert [each for name, look in checks.problems() if (each := look())] == []


def test_what_had_gone_back_before_is_taken_off_it_too(
    ana: Membership, cast: Cast, shop: Shop, paid: dict[str, Any]
) -> None:
    told("charge.refunded", shop.refunds(paid, 10_000))
    shop_tells(cast)
    assert given_back() == {None: 0, ana.id: 10_000}
    assert told("charge.refunded", shop.refunds(paid, 40_000)) == "40000 EUR taken off"
    assert given_back() == {None: 0, ana.id: 50_000}


@pytest.mark.parametrize("disputed_first", [False, True])
def test_a_dispute_holds_what_it_earned(
    cast: Cast, shop: Shop, stripe: LocalStripe, paid: dict[str, Any], *, disputed_first: bool
) -> None:
    if not disputed_first:
        shop_tells(cast)
    dispute = stripe.order(f"charges/{shop.charge(paid)['id']}/dispute")
    told("charge.dispute.created", dispute)
    if disputed_first:
        shop_tells(cast)
    (sale,) = [each for each in every() if each.membership_id]
    with transaction():
        assert {each.state for each in rewards_of_conversion(sale.id) if each.kind == "earned"} == {"held"}
    stripe.order(f"disputes/{dispute['id']}/close", status="lost")
    assert told("charge.dispute.closed", dispute) == "50000 EUR taken off"
    assert given_back()[sale.membership_id] == 50_000


def test_a_session_that_is_told_again_is_that_order(
    cast: Cast, paid: dict[str, Any], ana: Membership
) -> None:
    shop_tells(cast)
    assert told("checkout.session.async_payment_succeeded", paid).startswith("known, told by the API")
    assert len(every()) == 2


def test_about_another_sum_a_person_is_asked_as_soon_as_something_went_back(
    ana: Membership, cast: Cast, shop: Shop, paid: dict[str, Any]
) -> None:
    sale = shop_tells(cast, 42_000)
    assert left_lying() == []
    asked = told("charge.refunded", shop.refunds(paid, 50_000))
    assert asked.startswith("a person has to look: ")
    assert told("refund.updated", shop.given_back(paid)[0]) == asked
    assert given_back() == {None: 0, ana.id: 0}
    event, _the_same = left_lying()
    with transaction(read_only=True):
        assert asked in str(dict(checks.problems())["no event of Stripe's is left lying"]())
    with transaction():
        settling.settle(event.id, sale.id, by=COMMAND)
    stripe_events.apply_events()
    assert (given_back(), left_lying()) == ({None: 0, ana.id: 42_000}, [])


def test_what_had_gone_back_before_the_other_sum_was_told_is_asked_about_then(
    ana: Membership, cast: Cast, shop: Shop, paid: dict[str, Any]
) -> None:
    told("charge.refunded", shop.refunds(paid, 10_000))
    sale = shop_tells(cast, 42_000)
    (event,) = left_lying()
    with transaction():
        settling.settle(event.id, sale.id, by=COMMAND)
    stripe_events.apply_events()
    assert given_back() == {None: 0, ana.id: 8_400}
    assert left_lying() == []


def test_a_person_who_says_that_it_is_the_one_that_nobody_won_is_not_asked_again(
    ana: Membership, cast: Cast, shop: Shop, paid: dict[str, Any]
) -> None:
    shop_tells(cast, 42_000)
    told("charge.refunded", shop.refunds(paid, 10_000))
    (event,) = left_lying()
    (nobodys,) = [each for each in every() if each.membership_id is None]
    with transaction():
        settling.settle(event.id, nobodys.id, by=COMMAND)
    stripe_events.apply_events()
    assert given_back() == {None: 10_000, ana.id: 0}
    assert told("charge.refunded", shop.refunds(paid, 5_000)) == "5000 EUR taken off"
    assert given_back() == {None: 15_000, ana.id: 0}
