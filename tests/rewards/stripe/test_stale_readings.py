"""A comparison that read Stripe before another payment of its sale moved writes nothing, and is begun anew."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from advocates.membership import Membership
from core.clock import at, now
from core.db import session, transaction
from referrals.conversions.conversions import Conversion
from rewards.reward import rewards_of_conversion
from rewards.stripe import stripe_events, stripe_taken_back
from rewards.stripe.stripe_event_rows import StripeEvent
from rewards.stripe.stripe_sale_rows import StripeSale
from tests.factories import Cast
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stripe.shop import Shop, left_lying, token, told
from tests.rewards.stripe.test_settling import SENT, says
from tests.rewards.stripe.twins import NUMBER, given_back, shop_tells, south_tells


def states(sale_id: str) -> set[str]:
    with transaction(read_only=True):
        return {each.state for each in rewards_of_conversion(sale_id) if each.kind == "earned"}


def before_it_writes(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    """Between the reading of Stripe and the transaction that compares, once: a person answers, another clock applies it."""
    really, done = transaction, False

    def opened(**how: bool) -> AbstractContextManager[Session]:
        nonlocal done
        if not how and not done:
            done = True
            happens()
        return really(**how)

    monkeypatch.setattr(stripe_taken_back, "transaction", opened)


def asking_about(made: dict[str, Any]) -> StripeEvent:
    return next(
        each
        for each in left_lying()
        if each.body["data"]["object"]["payment_intent"] == made["payment_intent"]
    )


def two_payments(cast: Cast, shop: Shop) -> tuple[dict[str, Any], dict[str, Any], Conversion, Conversion]:
    one, other = (shop.sells(50_000, sent=SENT) for _ in range(2))
    for each in (one, other):
        told("checkout.session.completed", each)
    sale = shop_tells(cast)
    souths = south_tells(cast, 50_000)
    return one, other, sale, souths


def applied() -> None:
    """Whatever was begun anew, too."""
    for after in (timedelta(0), stripe_events.LEASE):
        with at(now() + after):
            for _ in range(3):
                stripe_events.apply_events()


def test_a_refund_is_not_given_again_by_a_payment_that_moved_away(
    ana: Membership, cast: Cast, shop: Shop, sue: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, sale, souths = two_payments(cast, shop)
    told("charge.refunded", shop.refunds(one, 30_000))
    says(asking_about(one), sale)
    applied()
    told("charge.refunded", shop.refunds(other, 30_000))

    def person_says() -> None:
        says(asking_about(other), souths)
        applied()
        assert given_back() == {ana.id: 30_000, sue.id: 30_000, None: 0}

    before_it_writes(monkeypatch, person_says)
    told("refund.updated", shop.given_back(one)[0])
    applied()
    assert left_lying() == []
    assert given_back() == {ana.id: 30_000, sue.id: 30_000, None: 0}


def test_a_dispute_of_a_payment_that_moved_away_is_not_the_sales_for_ever(
    ana: Membership,
    cast: Cast,
    shop: Shop,
    stripe: LocalStripe,
    sue: Membership,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other, sale, souths = two_payments(cast, shop)
    told("charge.refunded", shop.refunds(one, 5_000))
    says(asking_about(one), sale)
    applied()
    dispute = stripe.order(f"charges/{shop.charge(other)['id']}/dispute")
    told("charge.dispute.created", dispute)

    def person_says() -> None:
        says(asking_about(other), souths)
        applied()
        assert states(sale.id) == {"pending"}

    before_it_writes(monkeypatch, person_says)
    told("refund.updated", shop.given_back(one)[0])
    applied()
    stripe.order(f"disputes/{dispute['id']}/close", status="won")
    told("charge.dispute.closed", dispute)
    applied()
    assert left_lying() == []
    assert states(sale.id) == {"pending"}


def test_a_dispute_that_came_along_meanwhile_still_holds(
    ana: Membership,
    cast: Cast,
    shop: Shop,
    stripe: LocalStripe,
    paid: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sale = shop_tells(cast, 42_000)
    own = shop.sells(42_000, sent={"metadata[spk]": token(), "metadata[order_id]": NUMBER})
    assert told("checkout.session.completed", own).startswith("known, told by the API")
    told("charge.dispute.created", stripe.order(f"charges/{shop.charge(paid)['id']}/dispute"))

    def person_says() -> None:
        says(asking_about(paid), sale)
        applied()
        assert states(sale.id) == {"held"}

    before_it_writes(monkeypatch, person_says)
    told("checkout.session.async_payment_succeeded", own)
    applied()
    assert left_lying() == []
    assert states(sale.id) == {"held"}


def test_a_session_that_was_known_by_another_payment_is_compared_all_the_same(
    ana: Membership, cast: Cast, shop: Shop, paid: dict[str, Any]
) -> None:
    with transaction():
        (row,) = session().exec(select(StripeSale)).all()
        row.payment_intent = ""
        session().add(row)
    shop.refunds(paid, 5_000)
    assert told("checkout.session.completed", paid) == "recorded; 5000 EUR taken off"
    with transaction():
        (row,) = session().exec(select(StripeSale)).all()
        row.payment_intent = "pi_that_is_gone"
        session().add(row)
    assert told("checkout.session.completed", paid) == "recorded; nothing to take off"
