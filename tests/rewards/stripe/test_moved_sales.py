"""An order that Stripe told and nobody won, and the same one as a shop tells it later, and wins it."""

from typing import Any

import pytest

import checks
from advocates.membership import Membership
from core.access import COMMAND
from core.db import session, transaction
from hub.programmes import Programme
from rewards.reward import rewards_of_conversion
from rewards.stripe import settling, stripe_events, stripe_gateway
from tests.factories import Cast
from tests.referrals.stories import bring, make_earner, make_link
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stripe.shop import Shop, every, left_lying, token, told
from tests.rewards.stripe.twins import NUMBER, given_back, shop_tells, south_tells

TRIAL = {"subscription_data[trial_period_days]": "30"}


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


def test_the_hold_of_an_open_dispute_comes_along_at_once(
    cast: Cast, shop: Shop, stripe: LocalStripe, paid: dict[str, Any]
) -> None:
    told("charge.dispute.created", stripe.order(f"charges/{shop.charge(paid)['id']}/dispute"))
    with transaction():
        sale = bring(cast.north.id, external_id=NUMBER, amount_minor=50_000, code="ana")
    with transaction():  # before anybody could ask Stripe again
        assert [each.state for each in rewards_of_conversion(sale.id)] == ["held"]


def test_where_two_units_sold_under_that_number_a_person_is_asked(
    ana: Membership, cast: Cast, shop: Shop, paid: dict[str, Any], sue: Membership
) -> None:
    shop_tells(cast)
    south_tells(cast, 50_000)
    assert told("charge.refunded", shop.refunds(paid, 50_000)).startswith("a person has to look: ")
    assert given_back() == {None: 0, ana.id: 0, sue.id: 0}


def test_a_payment_without_a_session_is_asked_about_too(
    ana: Membership, cast: Cast, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction():
        bring(cast.hub.id, external_id=NUMBER, amount_minor=50_000, code="typo")
    made = shop.sells(50_000, sent={"payment_intent_data[metadata][order_id]": NUMBER})
    monkeypatch.setattr(stripe_gateway, "checkouts_of", lambda **_of: [])  # paid by a form of the shop's own
    told("charge.refunded", shop.refunds(made, 10_000))
    shop_tells(cast, 42_000)
    assert [each.result[:21] for each in left_lying()] == ["a person has to look:"]
    assert given_back() == {None: 10_000, ana.id: 0}


def test_who_wins_a_trial_that_stripe_told_has_what_is_paid_after_it(
    ana: Membership, cast: Cast, shop: Shop, stripe: LocalStripe
) -> None:
    trial = {"metadata[spokes_code]": "typo", "metadata[order_id]": NUMBER, **TRIAL}
    made = shop.sells(900, recurring=True, sent=trial)
    assert told("checkout.session.completed", made).startswith("recorded")
    with transaction():
        bring(cast.north.id, external_id=NUMBER, kind="lead", code="ana", amount_minor=None, currency=None)
    told("invoice.paid", stripe.order(f"subscriptions/{made['subscription']}/renew"))
    assert [each.membership_id for each in every() if each.kind == "sale"] == [ana.id]


def test_refunds_of_a_shared_order_move_in_parts_and_the_books_are_proven(
    ana: Membership, cast: Cast, shop: Shop, paid: dict[str, Any], sue: Membership
) -> None:
    with transaction():
        session().get_one(Programme, cast.programme.id).attribution_rule = "split"
        make_link(make_earner(cast.programme, "Bob B"), "bob")
    told("charge.refunded", shop.refunds(paid, 3_333))
    with transaction():
        bring(cast.north.id, external_id=NUMBER, amount_minor=50_000, click=token("ana"), code="bob")
    stripe_events.apply_events()
    assert sorted(given_back().values()) == [0, 3_333]
    told("charge.refunded", shop.refunds(paid, 1_111))
    assert sorted(given_back().values()) == [0, 4_444]
    sale = south_tells(cast, 50_000)
    told("charge.refunded", shop.refunds(paid, 45_556))
    (event,) = left_lying()
    with transaction():
        settling.settle(event.id, sale.id, by=COMMAND)
    stripe_events.apply_events()
    assert (given_back()[sue.id], sum(given_back().values())) == (50_000, 50_000)
    with transaction(read_only=True):
        assert [each for _name, look in checks.problems() if (each := look())] == []
