"""A disputed payment turns out to be of another order: what that one earned is held, and nothing else any more."""

from typing import Any

import pytest

from advocates.membership import Membership
from core.clock import at, now
from core.db import transaction
from rewards.reward import rewards_of_conversion
from rewards.stripe import stripe_events
from tests.factories import Cast
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stripe.shop import Shop, left_lying, told
from tests.rewards.stripe.test_settling import SENT, says
from tests.rewards.stripe.twins import shop_tells, south_tells


def states(sale_id: str) -> set[str]:
    with transaction(read_only=True):
        return {each.state for each in rewards_of_conversion(sale_id) if each.kind == "earned"}


def test_the_hold_moves_with_the_payment_before_stripe_is_asked(
    ana: Membership, cast: Cast, shop: Shop, stripe: LocalStripe, paid: dict[str, Any], sue: Membership
) -> None:
    south_tells(cast, 50_000)  # its payment, by a guess
    dispute = stripe.order(f"charges/{shop.charge(paid)['id']}/dispute")
    told("charge.dispute.created", dispute)
    sale = shop_tells(cast, 50_000)
    assert told("charge.dispute.funds_withdrawn", dispute).startswith("a person has to look")
    says(left_lying()[0], sale)
    assert states(sale.id) == {"held"}


def test_what_is_disputed_of_another_payment_stays_held(
    ana: Membership, cast: Cast, shop: Shop, stripe: LocalStripe, sue: Membership
) -> None:
    one, other = (shop.sells(50_000, sent=SENT) for _ in range(2))
    for each in (one, other):
        told("checkout.session.completed", each)
    sale = shop_tells(cast)
    told("charge.dispute.created", stripe.order(f"charges/{shop.charge(one)['id']}/dispute"))
    assert states(sale.id) == {"held"}
    souths = south_tells(cast, 50_000)
    assert told("charge.refunded", shop.refunds(other, 5_000)).startswith("a person has to look")
    (asking,) = [
        each
        for each in left_lying()
        if each.body["data"]["object"]["payment_intent"] == other["payment_intent"]
    ]
    says(asking, souths)
    assert states(sale.id) == {"held"}


@pytest.mark.parametrize("decided", ["won", "lost"])
def test_a_dispute_of_none_of_our_orders_holds_nothing_any_more(
    ana: Membership,
    cast: Cast,
    shop: Shop,
    stripe: LocalStripe,
    paid: dict[str, Any],
    sue: Membership,
    decided: str,
) -> None:
    sale = shop_tells(cast)  # its payment, by a guess
    dispute = stripe.order(f"charges/{shop.charge(paid)['id']}/dispute")
    told("charge.dispute.created", dispute)
    south_tells(cast, 50_000)
    assert told("charge.dispute.funds_withdrawn", dispute).startswith("a person has to look")
    says(left_lying()[0], None)
    assert states(sale.id) == {"pending"}
    stripe.order(f"disputes/{dispute['id']}/close", status=decided)
    told("charge.dispute.closed", dispute)
    with at(now() + stripe_events.LOOKED_AT_AGAIN):
        stripe_events.apply_events()
    assert (left_lying(), states(sale.id)) == ([], {"pending"})


def test_what_is_disputed_is_held_while_a_person_is_asked(
    ana: Membership, cast: Cast, shop: Shop, stripe: LocalStripe, paid: dict[str, Any], sue: Membership
) -> None:
    sale = shop_tells(cast)  # the payment is this one's from now on
    south_tells(cast, 50_000)
    dispute = stripe.order(f"charges/{shop.charge(paid)['id']}/dispute")
    assert told("charge.dispute.created", dispute).startswith("a person has to look")
    assert states(sale.id) == {"held"}
