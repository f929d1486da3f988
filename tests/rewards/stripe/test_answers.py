"""What a person said of a payment holds: for every event of it, for what others tell later, and for that payment alone."""

from typing import Any

import pytest
from sqlmodel import select

from advocates.membership import Membership
from core.access import COMMAND
from core.clock import at, now
from core.db import session, transaction
from referrals.conversions import reassignment
from referrals.conversions.conversions import Conversion
from rewards.stripe import stripe_events, stripe_gateway, stripe_sales, stripe_taken_back
from rewards.stripe.settling import LeadMeant
from rewards.stripe.stripe_event_rows import StripeEvent
from rewards.stripe.stripe_facts import Charged
from rewards.stripe.stripe_orders import Undecided
from rewards.stripe.stripe_sale_rows import StripeSale, known_as
from tests.factories import Cast
from tests.referrals.stories import bring, give_back
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stripe.shop import Shop, every, left_lying, told
from tests.rewards.stripe.test_settling import SENT, nobodys, says
from tests.rewards.stripe.twins import (
    NUMBER,
    first_invoice,
    given_back,
    goes_back_of_first,
    payment_of_first,
    shop_tells,
    south_tells,
)

ONLY_A_NUMBER = {"metadata[order_id]": NUMBER}
ASKED = "a person has to look"


def apply_all() -> None:
    """What one event leaves to others is applied as well."""
    for _ in range(3):
        stripe_events.apply_events()


@pytest.mark.parametrize("none", [False, True])
def test_another_shop_that_tells_the_order_later_gets_nothing_of_it(
    ana: Membership, cast: Cast, shop: Shop, paid: dict[str, Any], sue: Membership, *, none: bool
) -> None:
    south_tells(cast, 42_000)
    told("charge.refunded", shop.refunds(paid, 10_000))
    says(left_lying()[0], None if none else nobodys())
    apply_all()
    shop_tells(cast, 50_000)
    for _ in range(4):  # Stripe repeats itself
        told("charge.refunded", shop.charge(paid))
    assert given_back() == {None: 0 if none else 10_000, sue.id: 0, ana.id: 0}


def test_of_two_payments_of_one_order_each_stays_where_it_was_said_to_be(
    ana: Membership, cast: Cast, shop: Shop
) -> None:
    with transaction():
        bring(cast.hub.id, external_id=NUMBER, amount_minor=50_000, code="typo")
    one, other = shop.sells(50_000, sent=SENT), shop.sells(42_000, sent=SENT)
    for each in (one, other):
        assert told("checkout.session.completed", each).startswith("known")
    sale = shop_tells(cast, 42_000)
    told("charge.refunded", shop.refunds(one, 10_000))
    told("charge.refunded", shop.refunds(other, 4_200))
    first, second = sorted(left_lying(), key=lambda each: each.id)
    says(first, nobodys())
    says(second, sale)
    apply_all()
    assert (left_lying(), given_back()) == ([], {None: 10_000, ana.id: 4_200})


def test_the_session_hears_what_was_said_of_its_refund(
    ana: Membership, sue: Membership, cast: Cast, shop: Shop
) -> None:
    sale, _other = shop_tells(cast, 42_000), south_tells(cast, 41_000)
    made = shop.sells(50_000, sent=ONLY_A_NUMBER)
    assert told("checkout.session.completed", made).startswith(ASKED)
    assert told("charge.refunded", shop.refunds(made, 10_000)).startswith(ASKED)
    (refund,) = [each for each in left_lying() if each.kind == "charge.refunded"]
    says(refund, sale)
    apply_all()
    assert (left_lying(), given_back()) == ([], {ana.id: 8_400, sue.id: 0})


def test_a_session_that_comes_late_is_the_order_that_its_payment_was_said_to_be(
    ana: Membership, sue: Membership, cast: Cast, shop: Shop
) -> None:
    sale, _other = shop_tells(cast, 42_000), south_tells(cast, 41_000)
    made = shop.sells(50_000, sent=ONLY_A_NUMBER)
    told("charge.refunded", shop.refunds(made, 10_000))
    says(left_lying()[0], sale)
    apply_all()
    with transaction():
        found = session().get_one(Conversion, sale.id)
        reassignment.reassign(found, None, link_id=None, why="a review", by=COMMAND)
    told("checkout.session.completed", made)
    assert {each.unit_id: each.refunded_minor for each in every()} == {cast.north.id: 8_400, cast.south.id: 0}


def test_a_subscriptions_first_invoice_is_heard_for_its_session(
    ana: Membership, cast: Cast, shop: Shop, stripe: LocalStripe, sue: Membership
) -> None:
    south_tells(cast, 900)
    sale = shop_tells(cast, 900)
    made = shop.sells(900, recurring=True, sent=SENT)
    assert told("invoice.paid", first_invoice(stripe, made)).startswith(ASKED)
    says(left_lying()[0], sale)
    apply_all()
    assert left_lying() == []
    assert told("checkout.session.completed", made).startswith("known")


def test_what_was_guessed_is_given_again_when_it_is_none_of_ours(
    ana: Membership, cast: Cast, shop: Shop, paid: dict[str, Any], sue: Membership
) -> None:
    shop_tells(cast)
    told("charge.refunded", shop.refunds(paid, 10_000))
    assert given_back() == {None: 0, ana.id: 10_000}
    south_tells(cast, 50_000)
    assert told("charge.refunded", shop.refunds(paid, 5_000)).startswith(ASKED)
    says(left_lying()[0], None)
    apply_all()
    assert given_back() == {None: 0, ana.id: 0, sue.id: 0}
    assert "None of our orders" in told("charge.refunded", shop.refunds(paid, 5_000))
    assert left_lying() == []


def test_of_a_payment_that_nobody_knew_none_is_heard_as_well(
    ana: Membership, cast: Cast, shop: Shop, sue: Membership
) -> None:
    shop_tells(cast, 42_000)
    south_tells(cast, 41_000)
    made = shop.sells(50_000, sent=ONLY_A_NUMBER)
    assert told("checkout.session.completed", made).startswith(ASKED)
    says(left_lying()[0], None)
    told("charge.refunded", shop.refunds(made, 5_000))
    apply_all()
    assert (left_lying(), set(given_back().values())) == ([], {0})


def test_an_order_of_another_number_may_be_meant(
    ana: Membership, cast: Cast, shop: Shop, paid: dict[str, Any]
) -> None:
    told("charge.refunded", shop.refunds(paid, 10_000))
    with transaction():
        real = bring(cast.hub.id, external_id="web-1042", amount_minor=50_000, code="ana")
    shop_tells(cast, 42_000)
    says(left_lying()[0], real)
    apply_all()
    assert left_lying() == []
    assert {(each.external_id, each.unit_id): each.refunded_minor for each in every()} == {
        (NUMBER, cast.hub.id): 0,
        ("web-1042", cast.hub.id): 10_000,
        (NUMBER, cast.north.id): 0,
    }


def test_a_lead_is_no_answer_about_money(
    ana: Membership, cast: Cast, shop: Shop, paid: dict[str, Any]
) -> None:
    shop_tells(cast, 42_000)
    told("charge.refunded", shop.refunds(paid, 10_000))
    with transaction():
        lead = bring(
            cast.north.id, external_id="L-1", kind="lead", code="ana", amount_minor=None, currency=None
        )
    with pytest.raises(LeadMeant):
        says(left_lying()[0], lead)
    assert len(left_lying()) == 1


@pytest.mark.parametrize("none", [False, True])
def test_an_answer_while_it_is_looked_at_again_is_not_written_over(
    ana: Membership,
    cast: Cast,
    shop: Shop,
    paid: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    *,
    none: bool,
) -> None:
    sale = shop_tells(cast, 42_000)
    told("charge.refunded", shop.refunds(paid, 10_000))
    (event,) = left_lying()
    looked, answered = stripe_sales.apply, False

    def then_a_person_answers(*given: Any) -> str:  # noqa: ANN401 - what it is given
        nonlocal answered
        try:
            return looked(*given)
        except Undecided:
            if not answered:
                answered = True
                says(event, None if none else sale)
            raise

    monkeypatch.setattr(stripe_sales, "apply", then_a_person_answers)
    with at(now() + stripe_events.LOOKED_AT_AGAIN):
        apply_all()
        with transaction(read_only=True):
            result = session().get_one(StripeEvent, event.id).result
    assert answered
    assert not result.startswith(ASKED)
    assert given_back() == {None: 0, ana.id: 0 if none else 8_400}


def test_a_refund_that_a_shop_told_of_it_stays_there_as_well(
    ana: Membership, cast: Cast, shop: Shop, paid: dict[str, Any], sue: Membership
) -> None:
    south_tells(cast, 42_000)
    with transaction():
        give_back(cast.hub.id, NUMBER, 10_000)  # the shop that took the payment tells what Stripe tells, too
    told("charge.refunded", shop.refunds(paid, 10_000))
    says(left_lying()[0], nobodys())
    stripe_events.apply_events()
    assert given_back() == {None: 10_000, sue.id: 0}
    shop_tells(cast, 50_000)
    for _ in range(3):
        told("charge.refunded", shop.charge(paid))
    assert given_back() == {None: 10_000, sue.id: 0, ana.id: 0}


@pytest.mark.parametrize("answer", ["none", "south"])
def test_what_a_person_said_is_not_written_over_by_a_guess(
    ana: Membership, cast: Cast, shop: Shop, sue: Membership, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    shop_tells(cast, 42_000)
    souths = south_tells(cast, 41_000)
    monkeypatch.setattr(stripe_gateway, "checkouts_of", lambda **_of: [])  # paid by a form of the shop's own
    made = shop.sells(50_000, sent={"payment_intent_data[metadata][order_id]": NUMBER})
    assert told("charge.refunded", shop.refunds(made, 10_000)).startswith(ASKED)
    (event,) = left_lying()
    with transaction():  # one of the two is taken away: now the number alone seems to decide
        found = session().get_one(Conversion, souths.id)
        reassignment.reassign(found, None, link_id=None, why="a review", by=COMMAND)
    said: Conversion | None = souths if answer == "south" else None
    read, answered = stripe_taken_back.charged_of, False

    def then_a_person_answers(payment: str) -> Charged | None:
        nonlocal answered
        charged = read(payment)
        if not answered:
            answered = True
            says(event, said)
        return charged

    monkeypatch.setattr(stripe_taken_back, "charged_of", then_a_person_answers)
    with at(now() + stripe_events.LOOKED_AT_AGAIN):
        apply_all()
    assert answered
    with transaction(read_only=True):
        known = {(each.conversion_id, each.said) for each in known_as((), made["payment_intent"])}
    assert known == {(said.id if said else None, True)}
    assert given_back().get(ana.id) == 0


@pytest.mark.parametrize("first", ["session", "refund"])
def test_of_two_answers_about_one_payment_the_later_holds_for_all_that_is_known_of_it(
    ana: Membership, cast: Cast, shop: Shop, stripe: LocalStripe, sue: Membership, first: str
) -> None:
    made = shop.sells(900, recurring=True, sent=SENT)
    told("checkout.session.completed", made)
    souths, sale = south_tells(cast, 900), shop_tells(cast, 900)
    charge = goes_back_of_first(stripe, made, 300)
    told("checkout.session.async_payment_succeeded", made)
    told("charge.refunded", charge)
    (asking,) = [each for each in left_lying() if each.kind.startswith("checkout")]
    refund = next(each for each in left_lying() if each.kind == "charge.refunded")
    one, other = (asking, refund) if first == "session" else (refund, asking)
    says(one, souths)
    says(other, sale)  # a mistake, put right with the other question
    with at(now() + stripe_events.LOOKED_AT_AGAIN):
        apply_all()
    assert left_lying() == []
    assert (given_back()[ana.id], given_back()[sue.id]) == (300, 0)
    with transaction(read_only=True):
        assert {each.conversion_id for each in known_as((), payment_of_first(stripe, made))} == {sale.id}


@pytest.mark.parametrize("kind", ["checkout.session.async_payment_succeeded", "invoice.paid"])
def test_none_of_ours_as_the_later_answer_holds_for_all_that_is_known_of_it(
    ana: Membership, cast: Cast, shop: Shop, stripe: LocalStripe, sue: Membership, kind: str
) -> None:
    made = shop.sells(900, recurring=True, sent=SENT)
    told("checkout.session.completed", made)
    south_tells(cast, 900)
    sale = shop_tells(cast, 900)
    charge = goes_back_of_first(stripe, made, 300)
    told(kind, first_invoice(stripe, made) if kind == "invoice.paid" else made)
    told("charge.refunded", charge)
    (names_no_payment,) = [each for each in left_lying() if each.kind == kind]
    says(next(each for each in left_lying() if each.kind == "charge.refunded"), sale)
    apply_all()
    assert given_back()[ana.id] == 300
    says(names_no_payment, None)
    apply_all()
    told("charge.refunded", goes_back_of_first(stripe, made, 600))
    assert (left_lying(), given_back()[ana.id]) == ([], 0)
    with transaction(read_only=True):
        assert {each.conversion_id for each in session().exec(select(StripeSale))} == {None}


def test_renewals_of_none_of_our_orders_are_nobodys(
    ana: Membership, cast: Cast, shop: Shop, stripe: LocalStripe, sue: Membership
) -> None:
    south_tells(cast, 900)
    sale = shop_tells(cast, 900)
    made = shop.sells(900, recurring=True, sent=SENT)
    told("checkout.session.completed", made)
    told("invoice.paid", first_invoice(stripe, made))
    of_session, of_invoice = left_lying()
    says(of_session, sale)
    says(of_invoice, None)
    apply_all()
    assert left_lying() == []
    told("invoice.paid", stripe.order(f"subscriptions/{made['subscription']}/renew"))
    assert len(every()) == 2
