"""Which order of several units Stripe means: their numbers may be the same, their money is not."""

from datetime import timedelta

import pytest

import checks
from advocates.membership import Membership
from core.access import COMMAND
from core.clock import at, now
from core.db import transaction
from referrals.conversions import refunds_in
from referrals.conversions.conversions import Conversion
from referrals.conversions.looking_again import look_again
from rewards.stripe import settling, stripe_events, stripe_gateway
from tests.factories import Cast
from tests.referrals.stories import bring, give_back, make_earner, make_link
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
    paid = shop.sells(10_000, sent={"metadata[order_id]": NUMBER})  # it names nobody
    with transaction():
        make_link(make_earner(cast.other_programme, "Sue Sells"), "sue")
        bring(cast.south.id, external_id=NUMBER, amount_minor=4_400, code="sue")
    own(cast)
    assert told("checkout.session.completed", paid).endswith("Several units sold under the number 1042.")
    assert [each.refunded_minor for each in won()] == [0, 0]
    (event,) = left_lying()
    with at(now() + timedelta(hours=2)), transaction(read_only=True):
        assert [said for said in checks._stuck_events() if "Several units sold" in said]  # noqa: SLF001
    (north,) = [each for each in won() if each.unit_id == cast.north.id]
    with transaction():
        settling.settle(event.id, north.id, by=COMMAND)
    assert stripe_events.apply_events() == 1
    assert told("charge.refunded", shop.refunds(paid, 10_000)) == "11900 EUR taken off"
    assert {each.id: each.refunded_minor for each in won()}[north.id] == 11_900
    with pytest.raises(settling.NotAsked), transaction():
        settling.settle(event.id, None, by=COMMAND)


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
    assert told("checkout.session.completed", sells(shop)).startswith("a person has to look: ")
    (event,) = left_lying()
    with transaction():
        settling.settle(event.id, None, by=COMMAND)
    stripe_events.apply_events()
    assert left_lying() == []


@pytest.mark.parametrize("told_later", [False, True])
def test_a_neighbours_order_of_that_number_takes_nothing_from_it(
    ana: Membership, cast: Cast, shop: Shop, neighbours: None, *, told_later: bool
) -> None:
    paid = sells(shop)
    assert told("checkout.session.completed", paid).startswith("recorded")
    if told_later:
        own(cast)
    assert [each.amount_minor for each in won()] == [11_900]
    told("charge.refunded", shop.refunds(paid, 11_900))
    assert [each.refunded_minor for each in won()] == [11_900]
    assert sum(map(earned, every())) == 0


@pytest.mark.parametrize("hubs_is", ["bob", "nobody"])
def test_the_hubs_own_order_of_that_number_hides_no_other(
    ana: Membership, cast: Cast, shop: Shop, hubs_is: str
) -> None:
    with transaction():
        make_link(make_earner(cast.programme, "Bob Advocate"), "bob")
        bring(cast.hub.id, external_id=NUMBER, amount_minor=4_400, code=hubs_is)
    paid = sells(shop)
    own(cast)
    told("checkout.session.completed", paid)
    assert told("charge.refunded", shop.refunds(paid, 11_900)) == "11900 EUR taken off"
    assert {each.unit_id: each.refunded_minor for each in every()} == {cast.hub.id: 0, cast.north.id: 11_900}


@pytest.mark.parametrize("spelled", ["ana", "ANA"])
def test_codes_and_coupons_are_the_same_however_they_are_spelled(
    ana: Membership, cast: Cast, shop: Shop, spelled: str
) -> None:
    with transaction():
        make_link(make_earner(cast.other_programme, "Sue Sells"), "sue")
        bring(cast.north.id, external_id=NUMBER, amount_minor=11_900, code=spelled)
        bring(cast.south.id, external_id=NUMBER, amount_minor=10_000, code="sue")
    paid = shop.sells(10_000, sent={"metadata[spokes_code]": "Ana", "metadata[order_id]": NUMBER})
    told("checkout.session.completed", paid)
    told("charge.refunded", shop.refunds(paid, 10_000))
    assert {each.unit_id: each.refunded_minor for each in every()} == {
        cast.north.id: 11_900,
        cast.south.id: 0,
    }


@pytest.mark.parametrize("unit", ["hub", "north"])
def test_a_lead_that_a_shop_told_is_the_trial_that_stripe_tells(
    ana: Membership, cast: Cast, shop: Shop, stripe: LocalStripe, unit: str
) -> None:
    with transaction():
        told_by = getattr(cast, unit).id
        bring(told_by, external_id=NUMBER, kind="lead", code="ana", amount_minor=None, currency=None)
    trial = {
        "metadata[spk]": token(),
        "metadata[order_id]": NUMBER,
        "subscription_data[trial_period_days]": "30",
    }
    paid = shop.sells(900, recurring=True, sent=trial)
    assert told("checkout.session.completed", paid) == "known, told by the API"
    renewal = stripe.order(f"subscriptions/{paid['subscription']}/renew")
    assert told("invoice.paid", renewal).startswith("recorded")
    assert [(each.kind, each.membership_id) for each in every()] == [("lead", ana.id), ("sale", ana.id)]


def test_a_refund_of_a_payment_without_a_session_that_the_shop_takes_back_is_read_at_stripe_once_more(
    ana: Membership, cast: Cast, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction():
        sale = bring(cast.north.id, external_id=NUMBER, amount_minor=12_900, click=token())
        name = give_back(sale.unit_id, NUMBER, 2_900).external_id
    paid = shop.sells(sent={"payment_intent_data[metadata][order_id]": NUMBER})
    monkeypatch.setattr(stripe_gateway, "checkouts_of", lambda **_of: [])  # paid by a form of the shop's own
    assert told("charge.refunded", shop.refunds(paid, 2_900)) == "nothing to take off"
    with transaction():
        refunds_in.take_back(name, by=COMMAND, unit_id=cast.north.id)
    stripe_events.apply_events()
    assert [each.refunded_minor for each in every()] == [2_900]


def test_the_next_orders_of_a_customer_who_waits_wait_at_stripe_too(
    ana: Membership, cast: Cast, shop: Shop, stripe: LocalStripe
) -> None:
    paid = shop.sells(900, recurring=True, sent={"metadata[spokes_code]": "later"})
    told("checkout.session.completed", paid)
    assert told("invoice.paid", stripe.order(f"subscriptions/{paid['subscription']}/renew")).startswith(
        "recorded"
    )
    with at(now() - timedelta(hours=1)), transaction():  # told late, but there at the sale
        make_link(make_earner(cast.programme, "La Ter"), "later")
    for minutes in (11, 12):
        with at(now() + timedelta(minutes=minutes)):
            look_again()
    assert [each.membership_id is not None for each in every()] == [True, True]
