"""`/_sandbox/…` for sales: pay without the page, dispute a charge, let the bank decide, renew a subscription."""

from typing import Literal

from flask import Blueprint, request
from pydantic import Field

from sandbox.stripe import charges, checkout, disputes, invoices, refunds
from sandbox.stripe.checkout_page import acting
from sandbox.stripe.control_orders import Order
from sandbox.stripe.errors import no_such
from sandbox.stripe.store import Json

sales = Blueprint("control_sales", __name__, url_prefix="/_sandbox")


class PayOrder(Order):
    """Who pays, and with which promotion code."""

    email: str = "buyer@example.org"
    code: str = ""


class DisputeOrder(Order):
    """How much of a charge is disputed; all that is left of it by default."""

    amount: int | None = Field(default=None, ge=1)


class DecisionOrder(Order):
    """What the bank decides."""

    status: Literal["won", "lost"]


@sales.post("/checkout/<session>/pay")
def pay(session: str) -> Json:
    """Pay a session as its buyer would."""
    order, call = PayOrder.model_validate_json(request.get_data() or b"{}"), acting()
    with call.store.transaction():
        found = checkout.existing(call.store, session)
        if order.code:
            found = checkout.use_code(call, found, order.code)
        return checkout.pay(call, found, order.email)


@sales.post("/charges/<charge>/dispute")
def dispute(charge: str) -> Json:
    """The buyer's bank takes a payment back for the time being."""
    order, call = DisputeOrder.model_validate_json(request.get_data() or b"{}"), acting()
    with call.store.transaction():
        return disputes.begin(call, charges.existing(call, charge, status=404), order.amount)


@sales.post("/refunds/<refund>/fail")
def fail_refund(refund: str) -> Json:
    """Let a refund fail after it had succeeded."""
    call = acting()
    with call.store.transaction():
        body = call.store.find("refund", refund)
        if body is None or body["status"] == "failed":
            raise no_such("refund", refund, param="refund", status=404)
        return refunds.fail(call, body)


@sales.post("/disputes/<dispute>/close")
def close(dispute: str) -> Json:
    """The bank decides."""
    order, call = DecisionOrder.model_validate_json(request.get_data() or b"{}"), acting()
    with call.store.transaction():
        return disputes.close(call, disputes.existing(call, dispute), order.status)


@sales.post("/subscriptions/<subscription>/renew")
def renew(subscription: str) -> Json:
    """The next period begins: another invoice, paid at once."""
    call = acting()
    with call.store.transaction():
        found = call.store.find("subscription", subscription)
        if found is None:
            raise no_such("subscription", subscription, param="subscription", status=404)
        return invoices.bill(call, found, "subscription_cycle")
