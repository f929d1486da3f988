"""What goes back of sales that Stripe tells, and comes again: refunds and disputes, in whatever order."""

from datetime import timedelta

import pytest

from advocates.membership import Membership
from core.access import COMMAND
from core.clock import at, now
from core.db import session, transaction
from referrals.conversions import conversions, refunds_in
from referrals.conversions.conversions import Conversion, NewRefund
from referrals.conversions.refunds import RefundToldByStripe
from rewards.reward import rewards_of_conversion
from rewards.stripe import stripe_events, stripe_facts
from tests.factories import Cast
from tests.referrals.stories import bring, give_back
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stripe.shop import Shop, bought, earned, every, failed, left_lying, refunds, token, told


def test_refunds_take_off_the_difference_in_whatever_order_they_come(ana: Membership, shop: Shop) -> None:
    paid, _sale = bought(shop)
    early = shop.refunds(paid, 2_900)
    late = shop.refunds(paid, 5_000)
    assert told("charge.refunded", late) == "7900 EUR taken off"
    assert told("charge.refunded", early) == "nothing to take off"
    told("charge.refunded", shop.refunds(paid, 5_000))
    (sale,) = every()
    assert (sale.refunded_minor, earned(sale)) == (12_900, 0)
    assert refunds() == [(7_900, "applied"), (5_000, "applied")]


@pytest.mark.parametrize("first", ["stripe", "shop"])
def test_a_refund_that_stripe_and_the_shop_tell_counts_once(
    cast: Cast, ana: Membership, shop: Shop, first: str
) -> None:
    paid, sale = bought(shop)
    back = shop.refunds(paid, 2_900)
    said = NewRefund(
        external_id="r-1",
        conversion_external_id=sale.external_id,
        amount_minor=2_900,
        occurred_at=now().isoformat(),
    )
    if first == "stripe":
        assert told("charge.refunded", back) == "2900 EUR taken off"
        with pytest.raises(RefundToldByStripe), transaction():
            conversions.refund(said, by=COMMAND, unit_id=sale.unit_id)
    else:
        with transaction():
            conversions.refund(said, by=COMMAND, unit_id=sale.unit_id)
        assert told("charge.refunded", back) == "nothing to take off"
    (sale,) = every()
    assert (sale.refunded_minor, earned(sale), refunds()) == (2_900, 1_000, [(2_900, "applied")])


def test_a_refund_that_comes_before_its_sale_brings_it_along(ana: Membership, shop: Shop) -> None:
    paid = shop.sells(sent={"metadata[spk]": token()})
    assert told("charge.refunded", shop.refunds(paid, 2_900)) == "recorded; 2900 EUR taken off"
    assert told("checkout.session.completed", paid) == "recorded; nothing to take off"
    assert [(each.amount_minor, each.refunded_minor) for each in every()] == [(12_900, 2_900)]


def test_a_lost_dispute_takes_back_once_and_an_open_one_only_holds(
    ana: Membership, shop: Shop, stripe: LocalStripe
) -> None:
    paid, sale = bought(shop)
    dispute = stripe.order(f"charges/{shop.charge(paid)['id']}/dispute")
    for kind in ("charge.dispute.created", "charge.dispute.funds_withdrawn"):
        assert told(kind, dispute) == "nothing to take off"
    assert _states(sale) == ["held"]
    stripe.order(f"disputes/{dispute['id']}/close", status="lost")
    for kind in ("charge.dispute.closed", "charge.dispute.closed"):
        told(kind, dispute)
    assert (refunds(), earned(sale), _states(sale)) == ([(12_900, "applied")], 0, ["reversed"])
    assert "€129.00 of €129.00 was taken back by the buyer's bank: €12.90 taken back" in _said(sale)
    stripe.order(f"disputes/{dispute['id']}/close", status="won")
    assert told("charge.dispute.funds_reinstated", dispute) == "12900 EUR given again"
    assert told("charge.dispute.funds_reinstated", dispute) == "nothing to take off"
    assert (refunds(), earned(sale), _states(sale)) == ([(12_900, "came_back")], 1_290, ["pending"])
    assert _said(sale).endswith("the dispute was won after all: €12.90 given again")


def _said(sale: Conversion) -> str:
    with transaction(read_only=True):
        return rewards_of_conversion(sale.id)[0].arithmetic


@pytest.mark.parametrize("kind", ["refund.failed", "refund.updated", "charge.refund.updated"])
def test_a_refund_that_fails_later_gives_again_what_it_took(
    ana: Membership, shop: Shop, stripe: LocalStripe, kind: str
) -> None:
    paid, sale = bought(shop)
    for amount in (2_900, 5_000):
        told("charge.refunded", shop.refunds(paid, amount))
    assert refunds() == [(2_900, "applied"), (5_000, "applied")]
    newest = shop.given_back(paid)[0]
    failed = stripe.order(f"refunds/{newest['id']}/fail")
    assert told(kind, failed) == "5000 EUR given again"
    assert told(kind, failed) == "nothing to take off"
    assert (refunds(), earned(sale)) == ([(2_900, "applied"), (5_000, "came_back")], 1_000)


def test_of_two_refunds_the_older_one_that_fails_leaves_what_the_newer_took(
    ana: Membership, shop: Shop, stripe: LocalStripe
) -> None:
    paid, sale = bought(shop)
    for amount in (2_900, 5_000):
        told("charge.refunded", shop.refunds(paid, amount))
    oldest = shop.given_back(paid)[-1]
    assert failed(stripe, oldest) == "2900 EUR given again"
    assert (refunds(), earned(sale)) == ([(2_900, "applied"), (5_000, "came_back"), (2_100, "applied")], 790)
    with transaction(read_only=True):
        assert session().get_one(Conversion, sale.id).refunded_minor == 5_000


def test_a_refund_that_failed_and_is_made_again_of_the_same_sum_takes_off_again(
    ana: Membership, shop: Shop, stripe: LocalStripe
) -> None:
    paid, sale = bought(shop)
    for hours in range(2):
        with at(now() + timedelta(hours=hours)):
            assert told("charge.refunded", shop.refunds(paid, 5_000)) == "5000 EUR taken off"
            newest = shop.given_back(paid)[0]
            assert failed(stripe, newest) == "5000 EUR given again"
    assert told("charge.refunded", shop.refunds(paid, 5_000)) == "5000 EUR taken off"
    assert [state for _, state in refunds()] == ["came_back", "came_back", "applied"]
    assert earned(sale) == 790


def test_what_stands_of_a_refund_twice_is_taken_twice(
    ana: Membership, shop: Shop, stripe: LocalStripe
) -> None:
    paid, sale = bought(shop)
    for hours in range(2):
        with at(now() + timedelta(hours=hours)):
            for amount in (2_900, 5_000):
                told("charge.refunded", shop.refunds(paid, amount))
            made = shop.given_back(paid)
            newest, older = [each for each in made if each["status"] == "succeeded"][:2]
            assert failed(stripe, older) == "2900 EUR given again"
            assert failed(stripe, newest) == "5000 EUR given again"
    assert {state for _, state in refunds()} == {"came_back"}
    assert earned(sale) == 1_290


def test_a_refund_whose_name_is_taken_has_the_next_one(
    ana: Membership, cast: Cast, shop: Shop, stripe: LocalStripe
) -> None:
    paid, _sale = bought(shop)
    with transaction():
        give_back(cast.hub.id, "another", 700, external_id=f"{shop.charge(paid)['id']}#1")
    assert told("charge.refunded", shop.refunds(paid, 5_000)) == "5000 EUR taken off"
    assert left_lying() == []


@pytest.mark.parametrize(("by_charge", "expected"), [(7_900, 2_900), (2_900, 2_900)])
def test_a_failed_refund_counts_no_more_whether_the_charge_knows_it_or_not(
    by_charge: int, expected: int
) -> None:
    charge = {"id": "ch_1", "paid": True, "created": 1, "amount": 12_900, "amount_refunded": by_charge}
    tried = [{"amount": 2_900, "status": "succeeded"}, {"amount": 5_000, "status": "failed"}]
    found = stripe_facts.of_charge([charge], (), tried)
    assert found is not None
    assert found.refunded == expected


def _told_by_the_shop(sale: Conversion, amount_minor: int) -> None:
    with transaction():
        give_back(sale.unit_id, sale.external_id, amount_minor)


def test_a_refund_that_fails_gives_again_what_it_took_beside_one_that_the_shop_told(
    ana: Membership, shop: Shop, stripe: LocalStripe
) -> None:
    paid, sale = bought(shop)
    back = shop.refunds(paid, 5_000)
    _told_by_the_shop(sale, 5_000)
    assert told("charge.refunded", back) == "nothing to take off"
    assert told("charge.refunded", shop.refunds(paid, 3_000)) == "3000 EUR taken off"
    newest = shop.given_back(paid)[0]
    assert failed(stripe, newest) == "3000 EUR given again"
    assert (refunds(), earned(sale)) == ([(5_000, "applied"), (3_000, "came_back")], 790)


def test_a_dispute_that_is_won_late_gives_again_what_it_took_beside_a_refund_that_the_shop_told(
    ana: Membership, shop: Shop, stripe: LocalStripe
) -> None:
    paid, sale = bought(shop)
    back = shop.refunds(paid, 5_000)
    _told_by_the_shop(sale, 5_000)
    told("charge.refunded", back)
    dispute = stripe.order(f"charges/{shop.charge(paid)['id']}/dispute")
    stripe.order(f"disputes/{dispute['id']}/close", status="lost")
    assert told("charge.dispute.closed", dispute) == "7900 EUR taken off"
    stripe.order(f"disputes/{dispute['id']}/close", status="won")
    assert told("charge.dispute.funds_reinstated", dispute) == "7900 EUR given again"
    assert (refunds(), earned(sale)) == ([(5_000, "applied"), (7_900, "came_back")], 790)


@pytest.mark.parametrize(("fails", "given_back"), [(True, 0), (False, 5_000)])
def test_a_refund_that_the_shop_takes_back_stands_where_it_happened_at_stripe(
    ana: Membership, shop: Shop, stripe: LocalStripe, *, fails: bool, given_back: int
) -> None:
    paid, sale = bought(shop)
    back = shop.refunds(paid, 5_000)
    _told_by_the_shop(sale, 5_000)
    assert told("charge.refunded", back) == "nothing to take off"
    if fails:
        (made,) = shop.given_back(paid)
        assert failed(stripe, made) == "nothing to take off", "the shop's word is the shop's"
    with transaction():
        refunds_in.take_back(f"refund-of-{sale.external_id}-5000", by=COMMAND, unit_id=sale.unit_id)
    stripe_events.apply_events()
    with transaction(read_only=True):
        assert session().get_one(Conversion, sale.id).refunded_minor == given_back
    assert earned(sale) == 1_290 - given_back // 10


def test_after_a_refund_that_failed_at_stripe_the_shop_can_tell_another(
    ana: Membership, shop: Shop, stripe: LocalStripe
) -> None:
    paid, sale = bought(shop)
    told("charge.refunded", shop.refunds(paid, 12_900))
    with pytest.raises(RefundToldByStripe):
        _told_by_the_shop(sale, 12_900)
    (made,) = shop.given_back(paid)
    assert failed(stripe, made) == "12900 EUR given again"
    _told_by_the_shop(sale, 12_900)  # paid by the bank instead
    assert (refunds(), earned(sale)) == ([(12_900, "came_back"), (12_900, "applied")], 0)


def test_a_won_dispute_leaves_everything_as_it_was(ana: Membership, shop: Shop, stripe: LocalStripe) -> None:
    paid, sale = bought(shop)
    dispute = stripe.order(f"charges/{shop.charge(paid)['id']}/dispute")
    told("charge.dispute.created", dispute)
    stripe.order(f"disputes/{dispute['id']}/close", status="won")
    told("charge.dispute.closed", dispute)
    told("charge.dispute.funds_reinstated", dispute)
    assert (refunds(), earned(sale), _states(sale)) == ([], 1_290, ["pending"])


def _states(sale: Conversion) -> list[str]:
    with transaction():
        return [each.state for each in rewards_of_conversion(sale.id)]


def test_an_order_that_was_paid_twice_is_paid_as_long_as_one_payment_stands(
    ana: Membership, shop: Shop
) -> None:
    one, two = (shop.sells(sent={"metadata[spk]": token(), "metadata[order_id]": "twice"}) for _ in range(2))
    for paid in (one, two):
        told("checkout.session.completed", paid)
    assert told("charge.refunded", shop.refunds(two, 12_900)) == "nothing to take off"
    assert told("charge.refunded", shop.refunds(one, 2_900)) == "2900 EUR taken off"
    assert told("checkout.session.completed", two).endswith("nothing to take off")
    (sale,) = every()
    assert (sale.refunded_minor, earned(sale)) == (2_900, 1_000)


def test_of_an_order_that_was_paid_in_parts_what_goes_back_is_a_part_of_all(
    ana: Membership, cast: Cast, shop: Shop
) -> None:
    with transaction():
        bring(cast.north.id, external_id="parts", amount_minor=12_000, click=token())
    first, rest = (
        shop.sells(each, sent={"metadata[spk]": token(), "metadata[order_id]": "parts"})
        for each in (3_000, 9_000)
    )
    for paid in (first, rest):
        assert told("checkout.session.completed", paid) == "known, told by the API; nothing to take off"
    for _ in range(2):
        told("charge.refunded", shop.refunds(first, 1_500))
        told("checkout.session.completed", rest)
    (sale,) = every()
    assert (sale.refunded_minor, earned(sale)) == (3_000, 900)
