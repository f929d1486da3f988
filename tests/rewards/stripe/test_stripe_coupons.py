"""Promotion codes of Stripe that are advocates' coupons, or become some."""

from datetime import timedelta

import checks
from advocates.membership import Membership
from core.clock import at, now
from core.db import session, transaction
from core.ids import new_id
from referrals.conversions.looking_again import look_again
from referrals.links.links import get_link
from rewards.stripe import stripe_events
from tests.factories import Cast
from tests.referrals.stories import make_earner, make_link
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stories import percent_rule
from tests.rewards.stripe.shop import Shop, every, told


def test_a_promotion_code_that_is_an_advocates_coupon_names_them(
    cast: Cast, shop: Shop, stripe: LocalStripe
) -> None:
    with transaction():
        percent_rule(cast.programme)
        member = make_earner(cast.programme)
        link = make_link(member, "ana")
    coupon = stripe.api("coupons", percent_off="10", duration="once")
    code = f"ANA{new_id()[-6:].upper()}"
    with transaction():
        link.coupon = code
        session().add(link)
    stripe.api(
        "promotion_codes", **{"promotion[type]": "coupon", "promotion[coupon]": coupon["id"], "code": code}
    )
    told("checkout.session.completed", shop.sells(10_000, code=code, sent={"allow_promotion_codes": "true"}))
    (sale,) = every()
    assert (sale.membership_id, sale.amount_minor, sale.discount_minor) == (member.id, 9_000, 1_000)


def promoted(stripe: LocalStripe) -> str:
    """A promotion code of the shop's at Stripe."""
    coupon = stripe.api("coupons", percent_off="10", duration="once")
    code = f"ANA{new_id()[-6:].upper()}"
    stripe.api(
        "promotion_codes", **{"promotion[type]": "coupon", "promotion[coupon]": coupon["id"], "code": code}
    )
    return code


def entered(code: str) -> None:
    """It is Ana's coupon from now on."""
    with transaction():
        link = get_link("ana")
        link.coupon = code
        session().add(link)


def sold_with(shop: Shop, code: str, **sent: str) -> str:
    paid = shop.sells(10_000, code=code, sent={"allow_promotion_codes": "true", **sent})
    return told("checkout.session.completed", paid)


def test_a_code_that_is_entered_later_finds_the_sales_that_named_it(
    ana: Membership, shop: Shop, stripe: LocalStripe
) -> None:
    code = promoted(stripe)
    assert sold_with(shop, code) == f"waits for somebody's coupon {code}"
    assert every() == []
    with at(now() + timedelta(minutes=2)):
        assert stripe_events.apply_events() == 0
        entered(code)
        assert stripe_events.apply_events() == 0  # not due yet
    with at(now() + timedelta(minutes=12)):
        assert stripe_events.apply_events() == 1
        (sale,) = every()
    assert (sale.membership_id, sale.amount_minor) == (ana.id, 9_000)
    with at(now() + timedelta(hours=3)), transaction(read_only=True):
        assert dict(checks.problems())["no event of Stripe's is left lying"]() == []


def test_one_that_stays_nobodys_is_let_go_and_nothing_is_kept_of_it(
    ana: Membership, shop: Shop, stripe: LocalStripe
) -> None:
    code = promoted(stripe)
    sold_with(shop, code)
    for hours in (1, 6, 24):
        with at(now() + timedelta(hours=hours, minutes=1)):
            assert stripe_events.apply_events() == 0
    with at(now() + timedelta(hours=25)), transaction(read_only=True):
        assert dict(checks.problems())["no event of Stripe's is left lying"]() == []
    with at(now() + timedelta(hours=49)):
        assert stripe_events.apply_events() == 1
    entered(code)
    with at(now() + timedelta(hours=60)):
        assert stripe_events.apply_events() == 0
    assert every() == []


def test_one_that_cannot_be_settled_when_its_time_is_over_is_left_lying(
    ana: Membership, shop: Shop, stripe: LocalStripe
) -> None:
    sold_with(shop, promoted(stripe))
    with at(now() + timedelta(hours=50)), transaction(read_only=True):
        assert len(dict(checks.problems())["no event of Stripe's is left lying"]()) == 1


def test_beside_a_token_that_earns_nothing_it_waits_as_any_conversion_does(
    ana: Membership, shop: Shop, stripe: LocalStripe
) -> None:
    code = promoted(stripe)
    sold_with(shop, code, **{"metadata[spk]": "not-ours"})
    (sale,) = every()
    assert sale.membership_id is None
    entered(code)
    with at(now() + timedelta(minutes=2)):
        assert look_again() == 1
    assert every()[0].membership_id == ana.id
