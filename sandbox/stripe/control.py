"""`/_sandbox/…`: how tests move the clock, order faults, set balances, and look at what happened."""

from typing import TypeVar

from flask import Blueprint, request
from pydantic import BaseModel

from sandbox.stripe import (
    account_shape,
    accounts,
    accounts_v2,
    balance,
    clock,
    events,
    faults,
    payouts,
    request_log,
    webhooks,
)
from sandbox.stripe import control_orders as orders
from sandbox.stripe.box import Box, Endpoint
from sandbox.stripe.call import Call
from sandbox.stripe.errors import StripeRefusal, no_such
from sandbox.stripe.onboarding import box_of_app, finish
from sandbox.stripe.store import Json

control = Blueprint("control", __name__, url_prefix="/_sandbox")
AnyOrder = TypeVar("AnyOrder", bound=BaseModel)


def _ordered(kind: type[AnyOrder]) -> AnyOrder:
    return kind.model_validate_json(request.get_data() or b"{}")


def _account(box: Box, account: str) -> Json:
    body = box.store.find("account", account)
    if body is None:
        raise no_such("account", account, param="account", status=404)
    return body


def _acting_for(box: Box, account: str) -> Call:
    return Call(
        box=box, method="POST", path=request.path, params={}, owner=account, request_id="", idempotency_key=None,
        host_url=request.host_url,
    )  # fmt: skip


@control.get("/health")
def health() -> Json:
    """Up, and what time it is here."""
    return {"ok": True, "now": box_of_app().now(), "offset_s": clock.offset_s(box_of_app().store)}


@control.post("/reset")
def reset() -> Json:
    """Forget everything; the platform is funded again; webhook endpoints stay."""
    box = box_of_app()
    with box.store.transaction():
        box.store.empty()
        balance.fund_platform(box.store)
    return {"ok": True}


@control.post("/clock")
def move_clock() -> Json:
    """Set the sandbox's offset from the machine's time."""
    clock.move(box_of_app().store, _ordered(orders.ClockOrder).offset_s)
    return health()


@control.post("/platform")
def set_platform() -> Json:
    """Say what Stripe lets the platform use."""
    order, box = _ordered(orders.PlatformOrder), box_of_app()
    with box.store.transaction():
        accounts_v2.open_to(box.store, platform=order.accounts_v2)
    return {"ok": True}


@control.get("/faults")
def list_faults() -> Json:
    """The faults still waiting."""
    return {"faults": faults.waiting(box_of_app().store)}


@control.post("/faults")
def order_fault() -> Json:
    """Queue one fault."""
    faults.order(box_of_app().store, _ordered(faults.Fault))
    return list_faults()


@control.delete("/faults")
def clear_faults() -> Json:
    """Cancel the waiting faults."""
    faults.clear(box_of_app().store)
    return list_faults()


@control.get("/requests")
def list_requests() -> Json:
    """The API calls so far, by `method` and beginning of `path`; `count` counts beyond the page of 1,000."""
    store, method, path = box_of_app().store, request.args.get("method", ""), request.args.get("path", "")
    return {
        "count": request_log.count(store, method=method, path=path),
        "requests": request_log.calls(
            store, method=method, path=path, request_id=request.args.get("request_id", "")
        ),
    }


@control.post("/balance")
def set_balance() -> Json:
    """Set what the platform or an account holds."""
    order = _ordered(orders.BalanceOrder)
    balance.set_funds(box_of_app().store, order.account, balance.known_currency(order.currency), order.amount)
    return {"ok": True}


@control.post("/accounts/<account>")
def change_account(account: str) -> Json:
    """Restrict or release an account; announces `account.updated`."""
    order, box = _ordered(orders.AccountOrder), box_of_app()
    with box.store.transaction():
        before = _account(box, account)
        after = dict(before)
        if order.transfers is not None:
            after["capabilities"] = before["capabilities"] | {"transfers": order.transfers}
        if order.payouts_enabled is not None:
            after["payouts_enabled"] = order.payouts_enabled
        if order.model_fields_set & {"currently_due", "disabled_reason"}:
            after["requirements"] = account_shape.requirements(
                order.currently_due or [], disabled_reason=order.disabled_reason
            )
        return accounts.change(box, before, after)


@control.post("/accounts/<account>/onboard")
def onboard(account: str) -> Json:
    """Complete onboarding without the page."""
    order, box = _ordered(orders.OnboardOrder), box_of_app()
    with box.store.transaction():
        return finish(box, _account(box, account), order.holder, order.last4)


@control.post("/accounts/<account>/deauthorize")
def deauthorize(account: str) -> Json:
    """The owner withdraws consent: the platform loses access and is told so."""
    box = box_of_app()
    with box.store.transaction():
        _account(box, account)
        box.store.remove(account)
        application = {"id": "ca_LocalPlatform", "object": "application", "name": "Local platform"}
        return events.emit(box, "account.application.deauthorized", application, account=account)


@control.post("/accounts/<account>/payout")
def pay_out(account: str) -> Json:
    """Pay an account out, with the outcome asked for."""
    order, box = _ordered(orders.PayoutOrder), box_of_app()
    with box.store.transaction():
        currency = balance.known_currency(order.currency or _account(box, account)["default_currency"])
        amount = order.amount or balance.held(box.store, account, currency)
        if amount < 1:
            raise StripeRefusal("There is nothing to pay out.", code="balance_insufficient")
        call = _acting_for(box, account)
        body = payouts.begin(call, amount, currency, automatic=True)
        if order.outcome == "paid":
            return payouts.land(call, body)
        return payouts.fail(call, body, _code(order.failure_code)) if order.outcome == "failed" else body


@control.post("/payouts/run")
def run_payouts() -> Json:
    """Pay out every account on an automatic schedule."""
    box = box_of_app()
    with box.store.transaction():
        return {"payouts": payouts.pay_out_everything(_acting_for(box, ""))}


@control.post("/payouts/<payout>/fail")
def fail_payout(payout: str) -> Json:
    """Let a payout fail, also one that has already landed."""
    code, box = _code(_ordered(orders.FailureOrder).failure_code), box_of_app()
    with box.store.transaction():
        row = box.store.row("SELECT owner FROM objects WHERE id = :id AND kind = 'payout'", {"id": payout})
        body = box.store.find("payout", payout, owner=row["owner"]) if row else None
        if row is None or body is None:
            raise no_such("payout", payout, param="payout", status=404)
        if body["status"] == "failed":
            raise StripeRefusal("This payout has already failed.")
        return payouts.fail(_acting_for(box, row["owner"]), body, code)


def _code(sent: str) -> str:
    if sent not in payouts.FAILURES:
        raise StripeRefusal(
            f"Unknown failure_code: one of {', '.join(payouts.FAILURES)}", param="failure_code"
        )
    return sent


@control.post("/events")
def emit_event() -> Json:
    """Emit an event of any type about `data.object`."""
    order, box = _ordered(orders.EventOrder), box_of_app()
    about, previous = order.data.get("object"), order.data.get("previous_attributes")
    if not isinstance(about, dict):
        raise StripeRefusal("data.object must be an object.", param="data")
    with box.store.transaction():
        return events.emit(box, order.type, about, account=order.account, previous=previous, ordered=True)


@control.get("/webhooks")
def show_webhooks() -> Json:
    """How deliveries behave, and every delivery so far."""
    box = box_of_app()
    now = box.delivery
    return {
        "endpoints": {name: endpoint.url for name, endpoint in now.endpoints.items()}, "paused": now.paused,
        "newest_first": now.newest_first, "copies": now.copies, "delay_s": now.delay_s, "skew_s": now.skew_s,
        "retry_s": now.retry_s, "max_attempts": now.max_attempts, "deliveries": webhooks.deliveries(box.store),
    }  # fmt: skip


@control.post("/webhooks")
def change_webhooks() -> Json:
    """Set endpoints and how deliveries behave."""
    order, box = _ordered(orders.WebhookOrder), box_of_app()
    for name, endpoint in (("platform", order.platform), ("connect", order.connect)):
        if endpoint is not None:
            box.delivery.endpoints[name] = Endpoint(endpoint.url, endpoint.secret)
    for name, value in order.model_dump(exclude={"platform", "connect"}, exclude_none=True).items():
        setattr(box.delivery, name, value)
    box.wake.set()
    return show_webhooks()
