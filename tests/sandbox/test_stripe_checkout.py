"""Sales at the local Stripe: sessions, charges, refunds, disputes, invoices, promotion codes, held against the contract."""

from typing import Any

import pytest
import stripe

from sandbox.stripe.server import RunningStripe
from tests.sandbox.contract import CURRENT, load
from tests.sandbox.receiver import Receiver
from tests.sandbox.web import web


def price(amount: int, currency: str = "eur", **more: object) -> dict[str, Any]:
    return {
        "price_data": {
            "currency": currency,
            "unit_amount": amount,
            "product_data": {"name": "Course"},
            **more,
        }
    }


def a_session(client: stripe.StripeClient, amount: int = 12_900, **more: object) -> Any:  # noqa: ANN401 - the SDK's
    wanted: Any = {
        "mode": "payment",
        "line_items": [{**price(amount), "quantity": 1}],
        "success_url": "http://shop.test/thanks",
        "cancel_url": "http://shop.test/basket",
        "metadata": {"order_id": "A-1"},
        **more,
    }
    return client.v1.checkout.sessions.create(wanted)


def order(local: RunningStripe, path: str, **body: object) -> dict[str, Any]:
    answer = web.post(f"{local.url}/_sandbox/{path}", json=body)
    answer.raise_for_status()
    return dict(answer.json())


def told(client: stripe.StripeClient) -> list[str]:
    return [each.type for each in reversed(client.v1.events.list({"limit": 100}).data)]


def test_a_session_is_paid_on_its_page_and_told(
    stripe_client: stripe.StripeClient, local_stripe: RunningStripe
) -> None:
    made = a_session(stripe_client, client_reference_id="ref_1")
    page = web.get(made.url)
    assert (page.status_code, "12900 EUR" in page.text) == (200, True)
    assert web.post(made.url, data={"email": "nobody"}).status_code == 422
    paid = web.post(made.url, data={"email": "buyer@example.org", "then": "pay"})
    assert (paid.status_code, paid.headers["Location"]) == (303, "http://shop.test/thanks")
    assert web.get(made.url).status_code == 404
    found = stripe_client.v1.checkout.sessions.retrieve(made.id, {"expand": ["line_items"]})
    assert (found.payment_status, found.amount_total, found.client_reference_id) == ("paid", 12_900, "ref_1")
    assert [each.amount_total for each in found.line_items.data] == [12_900]  # type: ignore[union-attr]
    assert told(stripe_client) == ["charge.succeeded", "checkout.session.completed"]
    assert web.post(f"{local_stripe.url}/_sandbox/checkout/{made.id}/pay", json={}).status_code == 400


def test_tax_shipping_and_promotion_codes_are_in_the_sums(
    stripe_client: stripe.StripeClient, local_stripe: RunningStripe
) -> None:
    v1 = stripe_client.v1
    coupon = v1.coupons.create({"percent_off": 10, "duration": "once", "name": "Ana's friends"})
    code = v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "ANA10"})
    shipping: Any = {
        "shipping_rate_data": {
            "display_name": "Parcel", "type": "fixed_amount", "fixed_amount": {"amount": 500, "currency": "eur"},
        }
    }  # fmt: skip
    made = a_session(
        stripe_client,
        10_000,
        allow_promotion_codes=True,
        automatic_tax={"enabled": True},
        shipping_options=[shipping],
    )
    assert made.amount_total == 10_000 + 2_000 + 500
    order(local_stripe, f"checkout/{made.id}/pay", code="ana10")
    found = v1.checkout.sessions.retrieve(made.id, {"expand": ["discounts.promotion_code"]})
    totals = found.total_details
    assert totals is not None
    assert (totals.amount_discount, totals.amount_tax, totals.amount_shipping) == (1_000, 1_800, 500)
    assert found.amount_total == 9_000 + 1_800 + 500
    assert found.discounts[0].promotion_code.code == "ANA10"  # type: ignore[index,union-attr]
    assert v1.promotion_codes.retrieve(code.id).promotion.coupon == coupon.id
    assert [each.id for each in v1.promotion_codes.list({"code": "ANA10"}).data] == [code.id]
    assert v1.coupons.retrieve(coupon.id).percent_off == 10


def test_refunds_add_up_and_never_to_more_than_was_paid(
    stripe_client: stripe.StripeClient, local_stripe: RunningStripe
) -> None:
    v1 = stripe_client.v1
    paid = order(local_stripe, f"checkout/{a_session(stripe_client).id}/pay")
    (charge,) = v1.charges.list({"payment_intent": paid["payment_intent"]}).data
    first = v1.refunds.create({"charge": charge.id, "amount": 2_900, "reason": "requested_by_customer"})
    v1.refunds.create({"payment_intent": paid["payment_intent"], "amount": 5_000})
    with pytest.raises(stripe.InvalidRequestError):
        v1.refunds.create({"charge": charge.id, "amount": 5_001})
    v1.refunds.create({"charge": charge.id})
    after = v1.charges.retrieve(charge.id)
    assert (after.amount_refunded, after.refunded) == (12_900, True)
    assert v1.refunds.retrieve(first.id).amount == 2_900
    assert len(v1.refunds.list({"charge": charge.id}).data) == 3
    assert told(stripe_client).count("charge.refunded") == 3


def test_a_dispute_takes_the_money_and_brings_it_back_when_won(
    stripe_client: stripe.StripeClient, local_stripe: RunningStripe
) -> None:
    v1 = stripe_client.v1
    paid = order(local_stripe, f"checkout/{a_session(stripe_client).id}/pay")
    (charge,) = v1.charges.list({"payment_intent": paid["payment_intent"]}).data
    opened = order(local_stripe, f"charges/{charge.id}/dispute")
    assert [each.id for each in v1.disputes.list({"charge": charge.id}).data] == [opened["id"]]
    order(local_stripe, f"disputes/{opened['id']}/close", status="won")
    assert v1.disputes.retrieve(opened["id"]).status == "won"
    assert told(stripe_client)[-4:] == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.closed",
        "charge.dispute.funds_reinstated",
    ]


def test_a_subscription_is_billed_at_once_and_again(
    stripe_client: stripe.StripeClient, local_stripe: RunningStripe
) -> None:
    v1 = stripe_client.v1
    line = {**price(900, recurring={"interval": "month"}), "quantity": 1}
    made = a_session(
        stripe_client, mode="subscription", line_items=[line], subscription_data={"metadata": {"spk": "t"}}
    )
    paid = order(local_stripe, f"checkout/{made.id}/pay")
    order(local_stripe, f"subscriptions/{paid['subscription']}/renew")
    newest, first = v1.invoices.list({"subscription": paid["subscription"]}).data
    assert (first.id, first.billing_reason, newest.billing_reason) == (
        paid["invoice"],
        "subscription_create",
        "subscription_cycle",
    )
    found = v1.invoices.retrieve(newest.id, {"expand": ["payments"]})
    payment = found.payments.data[0].payment.payment_intent  # type: ignore[union-attr]
    assert len(v1.charges.list({"payment_intent": str(payment)}).data) == 1
    assert found.to_dict()["parent"]["subscription_details"]["metadata"] == {"spk": "t"}
    assert len(v1.checkout.sessions.list({"subscription": paid["subscription"]}).data) == 1
    with pytest.raises(stripe.InvalidRequestError):
        a_session(stripe_client, mode="subscription")


def test_a_trial_costs_nothing_until_it_is_over(
    stripe_client: stripe.StripeClient, local_stripe: RunningStripe
) -> None:
    v1, line = stripe_client.v1, {**price(900, recurring={"interval": "month"}), "quantity": 2}
    code = v1.promotion_codes.create(
        {"promotion": {"type": "coupon", "coupon": v1.coupons.create({"percent_off": 50}).id}, "code": "HALF"}
    )
    made = a_session(
        stripe_client,
        mode="subscription",
        line_items=[line],
        subscription_data={"trial_period_days": 14},
        allow_promotion_codes=True,
    )
    assert (made.amount_total, made.payment_status) == (0, "unpaid")
    paid = order(local_stripe, f"checkout/{made.id}/pay", code=code.code)
    assert (paid["amount_total"], paid["payment_status"], paid["payment_intent"]) == (
        0,
        "no_payment_required",
        None,
    )
    order(local_stripe, f"subscriptions/{paid['subscription']}/renew")
    newest, first = v1.invoices.list({"subscription": paid["subscription"]}).data
    assert [(each.total, each.billing_reason) for each in (first, newest)] == [
        (0, "subscription_create"),
        (900, "subscription_cycle"),
    ]
    assert len(v1.charges.list({"customer": str(paid["customer"])}).data) == 1
    for wrong in ({"trial_period_days": 0}, {"trial_period_days": "x"}):
        with pytest.raises(stripe.InvalidRequestError):
            a_session(stripe_client, mode="subscription", line_items=[line], subscription_data=wrong)


def test_what_is_posted_is_what_the_contract_says(
    stripe_client: stripe.StripeClient, local_stripe: RunningStripe, receiver: Receiver
) -> None:
    endpoint = {"url": receiver.url, "secret": "whsec_x"}
    web.post(f"{local_stripe.url}/_sandbox/webhooks", json={"platform": endpoint}).raise_for_status()
    paid = order(local_stripe, f"checkout/{a_session(stripe_client).id}/pay")
    (charge,) = stripe_client.v1.charges.list({"payment_intent": paid["payment_intent"]}).data
    order(local_stripe, f"charges/{charge.id}/dispute", amount=900)
    line = {**price(900, recurring={"interval": "month"}), "quantity": 1}
    order(local_stripe, f"checkout/{a_session(stripe_client, mode='subscription', line_items=[line]).id}/pay")
    posted = [each.json for each in receiver.wait_for(7)]
    if not CURRENT.exists():
        pytest.skip("Stripe's contract (shared/data/stripe) is not here")
    contract = load(CURRENT)
    for event in posted:
        about = event["data"]["object"]
        assert contract.problems(contract.schema_of(about["object"]), about) == [], event["type"]
