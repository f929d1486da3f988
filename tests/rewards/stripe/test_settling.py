"""What a person says of an event of Stripe's: it is heard by all that ask, kept, and corrects what was guessed."""

from typing import Any

import pytest
from sqlmodel import select

from advocates.membership import Membership, get_membership
from core.access import COMMAND
from core.db import session, transaction
from referrals.conversions import reassignment
from referrals.conversions.conversions import Conversion
from rewards.stripe import settling, stripe_events, stripe_facts, stripe_gateway, stripe_taken_back
from rewards.stripe.settling import NotAsked
from rewards.stripe.stripe_event_rows import StripeEvent
from rewards.stripe.stripe_facts import Charged
from rewards.stripe.stripe_sale_rows import StripeSale
from tests.at_once import at_once
from tests.factories import Cast
from tests.referrals.stories import bring
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stripe.shop import Shop, every, left_lying, told
from tests.rewards.stripe.twins import NUMBER, given_back, shop_tells, south_tells

SENT = {"metadata[spokes_code]": "typo", "metadata[order_id]": NUMBER}


def says(event: StripeEvent, sale: Conversion | None) -> None:
    with transaction():
        settling.settle(event.id, sale.id if sale else None, by=COMMAND)


def nobodys() -> Conversion:
    (found,) = [each for each in every() if each.membership_id is None]
    return found


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


def test_it_stays_said_when_the_other_one_is_taken_away_and_given_back(
    ana: Membership, cast: Cast, shop: Shop, paid: dict[str, Any]
) -> None:
    sale = shop_tells(cast, 42_000)
    told("charge.refunded", shop.refunds(paid, 10_000))
    says(left_lying()[0], nobodys())
    stripe_events.apply_events()
    for whose in (None, ana.id):
        with transaction():
            found, to = session().get_one(Conversion, sale.id), get_membership(whose) if whose else None
            reassignment.reassign(found, to, link_id=sale.link_id if to else None, why="a review", by=COMMAND)
    stripe_events.apply_events()
    assert (left_lying(), given_back()) == ([], {None: 10_000, ana.id: 0})


def test_that_it_is_none_of_ours_is_heard_by_all_that_ask_and_by_what_comes_after(
    ana: Membership, cast: Cast, shop: Shop, paid: dict[str, Any]
) -> None:
    shop_tells(cast, 42_000)
    told("charge.refunded", shop.refunds(paid, 10_000))
    told("refund.updated", shop.given_back(paid)[0])
    says(left_lying()[0], None)
    stripe_events.apply_events()
    assert left_lying() == []
    told("charge.refunded", shop.refunds(paid, 10_000))
    assert (left_lying(), given_back()) == ([], {None: 0, ana.id: 0})


def test_of_an_order_that_was_paid_in_parts_all_parts_are_the_one_that_was_said(
    ana: Membership, cast: Cast, shop: Shop
) -> None:
    with transaction():
        bring(cast.hub.id, external_id=NUMBER, amount_minor=50_000, code="typo")
    one, other = (shop.sells(25_000, sent=SENT) for _ in range(2))
    for each in (one, other):
        assert told("checkout.session.completed", each).startswith("known")
    sale = shop_tells(cast, 42_000)
    told("charge.refunded", shop.refunds(one, 25_000))
    says(left_lying()[0], sale)
    stripe_events.apply_events()
    assert given_back() == {None: 0, ana.id: 21_000}


@pytest.mark.parametrize("is_anas", [False, True])
def test_a_subscriptions_session_is_settled_once(
    ana: Membership, cast: Cast, shop: Shop, stripe: LocalStripe, *, is_anas: bool
) -> None:
    made = shop.sells(900, recurring=True, sent=SENT)
    told("checkout.session.completed", made)
    sale = shop_tells(cast, 800)
    with transaction(read_only=True):
        (payment,) = set(session().exec(select(StripeSale.payment_intent)))
    stripe.api("refunds", payment_intent=payment, amount="300")
    assert told("checkout.session.async_payment_succeeded", made).startswith("a person has to look: ")
    says(left_lying()[0], sale if is_anas else nobodys())
    stripe_events.apply_events()
    assert left_lying() == []
    assert given_back() == ({None: 0, ana.id: 267} if is_anas else {None: 300, ana.id: 0})


def test_what_goes_back_of_a_subscription_that_was_settled_is_taken_off_it(
    ana: Membership, cast: Cast, shop: Shop, stripe: LocalStripe, sue: Membership
) -> None:
    south_tells(cast, 900)
    sale = shop_tells(cast, 900)
    made = shop.sells(900, recurring=True, sent=SENT)
    assert told("checkout.session.completed", made).startswith("a person has to look: ")
    says(left_lying()[0], sale)
    stripe_events.apply_events()
    invoice = stripe.read("invoices", subscription=made["subscription"])["data"][0]
    told("invoice.paid", invoice)
    payment = stripe_facts.payment_of(stripe_gateway.read_invoice(invoice["id"]))
    stripe.api("refunds", payment_intent=payment, amount="300")
    assert (
        told("charge.refunded", stripe.read("charges", payment_intent=payment)["data"][0])
        == "300 EUR taken off"
    )
    assert given_back() == {ana.id: 300, sue.id: 0}


def test_a_payment_that_moves_while_stripe_is_asked_is_taken_off_one_of_the_two(
    ana: Membership,
    cast: Cast,
    shop: Shop,
    paid: dict[str, Any],
    sue: Membership,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sale, other = shop_tells(cast, 42_000), south_tells(cast, 41_000)
    told("charge.refunded", shop.refunds(paid, 10_000))
    told("refund.updated", shop.given_back(paid)[0])
    first, second = left_lying()
    says(first, sale)
    read = stripe_taken_back.charged_of
    moved: list[str] = []

    def charged_of(payment: str) -> Charged | None:
        found = read(payment)
        if not moved:
            moved.append(payment)
            says(second, other)
        return found

    monkeypatch.setattr(stripe_taken_back, "charged_of", charged_of)
    for _ in range(2):
        stripe_events.apply_events()
    assert given_back() == {None: 0, ana.id: 0, sue.id: 8_200}


def test_two_who_say_so_at_once_do_not_wait_for_each_other(
    ana: Membership, cast: Cast, shop: Shop, paid: dict[str, Any]
) -> None:
    sale = shop_tells(cast, 42_000)
    told("charge.refunded", shop.refunds(paid, 10_000))
    told("refund.updated", shop.given_back(paid)[0])
    said = at_once(*(lambda each=each: says(each, sale) for each in left_lying()))
    assert all(each is None or isinstance(each, NotAsked) for each in said)
    stripe_events.apply_events()
    assert (left_lying(), given_back()) == ([], {None: 0, ana.id: 8_400})
