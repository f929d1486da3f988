"""Whose a subscription's first order was said to be, theirs are its renewals."""

from advocates.membership import Membership
from rewards.stripe import stripe_events
from tests.factories import Cast
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stripe.shop import Shop, every, left_lying, told
from tests.rewards.stripe.test_settling import SENT, says
from tests.rewards.stripe.twins import goes_back_of_first, shop_tells, south_tells


def renewed_by(stripe: LocalStripe, subscription: str) -> str | None:
    """Whose the next invoice is."""
    known = {each.id for each in every()}
    told("invoice.paid", stripe.order(f"subscriptions/{subscription}/renew"))
    (new,) = [each for each in every() if each.id not in known]
    return new.membership_id


def test_nobody_had_to_be_asked(ana: Membership, cast: Cast, shop: Shop, stripe: LocalStripe) -> None:
    shop_tells(cast, 900)
    made = shop.sells(900, recurring=True, sent=SENT)
    assert told("checkout.session.completed", made).startswith("known")
    assert renewed_by(stripe, made["subscription"]) == ana.id


def test_a_person_was_asked_about_the_session(
    ana: Membership, cast: Cast, shop: Shop, stripe: LocalStripe, sue: Membership
) -> None:
    south_tells(cast, 900)
    sale = shop_tells(cast, 900)
    made = shop.sells(900, recurring=True, sent=SENT)
    assert told("checkout.session.completed", made).startswith("a person has to look: ")
    says(left_lying()[0], sale)
    stripe_events.apply_events()
    assert renewed_by(stripe, made["subscription"]) == ana.id


def test_a_person_moved_it_from_another_order(
    ana: Membership, cast: Cast, shop: Shop, stripe: LocalStripe, sue: Membership
) -> None:
    made = shop.sells(900, recurring=True, sent=SENT)
    told("checkout.session.completed", made)
    south_tells(cast, 900)
    sale = shop_tells(cast, 900)
    charge = goes_back_of_first(stripe, made, 300)
    assert told("charge.refunded", charge).startswith("a person has to look")
    says(left_lying()[0], sale)
    stripe_events.apply_events()
    assert renewed_by(stripe, made["subscription"]) == ana.id
