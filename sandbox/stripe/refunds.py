"""Refunds of charges: in full, in part, several."""

from sandbox.stripe import balance, charges, events, lists, params
from sandbox.stripe.call import Call
from sandbox.stripe.errors import StripeRefusal, missing_param, no_such
from sandbox.stripe.ids import new_id
from sandbox.stripe.store import Json

REASONS = ("duplicate", "fraudulent", "requested_by_customer")


def create(call: Call) -> Json:
    """`POST /v1/refunds` of a `charge` or a `payment_intent`; all that is left when no amount is named."""
    params.allow(call.params, "charge", "payment_intent", "amount", "reason", "metadata")
    charge, amount = _charge(call), params.amount(call.params)
    reason = params.text(call.params, "reason")
    if reason is not None and reason not in REASONS:
        raise StripeRefusal(f"Invalid reason: must be one of {', '.join(REASONS)}", param="reason")
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise StripeRefusal("This charge has already been refunded.", code="charge_already_refunded")
    if (amount or left) > left:
        raise StripeRefusal(
            f"Refund amount is greater than unrefunded amount on charge ({left}).", param="amount"
        )
    return _refund(call, charge, amount or left, reason)


def _refund(call: Call, charge: Json, amount: int, reason: str | None) -> Json:
    body: Json = {
        "id": new_id("re"), "object": "refund", "amount": amount, "balance_transaction": None, "charge": charge["id"],
        "created": call.now, "currency": charge["currency"], "destination_details": None,
        "metadata": params.metadata(call.params, {}), "payment_intent": charge["payment_intent"], "reason": reason,
        "receipt_number": None, "source_transfer_reversal": None, "status": "succeeded", "transfer_reversal": None,
    }  # fmt: skip
    body["balance_transaction"] = balance.book(
        call, balance.PLATFORM, -amount, charge["currency"], kind="refund", source=body["id"]
    )
    call.store.add("refund", body, subject=charge["id"], grouping=charge["payment_intent"])
    gone = charge["amount_refunded"] + amount
    after = charge | {"amount_refunded": gone, "refunded": gone == charge["amount"]}
    call.store.save(after)
    events.emit(call.box, "refund.created", body, cause=call)
    events.emit(call.box, "charge.refunded", after, previous=events.changed(charge, after), cause=call)
    return body


def fail(call: Call, body: Json) -> Json:
    """The buyer's bank gave the money back: it is the platform's again; announces `refund.failed` and `charge.refund.updated`."""
    back = balance.book(
        call, balance.PLATFORM, body["amount"], body["currency"], kind="refund_failure", source=body["id"]
    )
    after = body | {
        "status": "failed",
        "failure_reason": "expired_or_canceled_card",
        "failure_balance_transaction": back,
    }
    call.store.save(after)
    charge = charges.existing(call, body["charge"])
    gone = charge["amount_refunded"] - body["amount"]
    call.store.save(charge | {"amount_refunded": gone, "refunded": False})
    changed = events.changed(body, after)
    for kind in ("refund.failed", "charge.refund.updated"):
        events.emit(call.box, kind, after, previous=changed, cause=call)
    return after


def _charge(call: Call) -> Json:
    if charge_id := params.text(call.params, "charge"):
        return charges.existing(call, charge_id)
    payment = params.text(call.params, "payment_intent")
    if payment is None:
        raise missing_param("charge")
    row = call.store.row("SELECT id FROM objects WHERE kind = 'charge' AND grouping = :it", {"it": payment})
    if row is None:
        raise no_such("payment_intent", payment, param="payment_intent")
    return charges.existing(call, row["id"])


def retrieve(call: Call, refund: str) -> Json:
    """`GET /v1/refunds/{refund}`."""
    params.allow(call.params)
    body = call.store.find("refund", refund)
    if body is None:
        raise no_such("refund", refund, param="id", status=404)
    return body


def list_refunds(call: Call) -> Json:
    """`GET /v1/refunds`, also by `charge` and `payment_intent`."""
    params.allow(call.params, "charge", "payment_intent", *lists.NAMES)
    charge = params.text(call.params, "charge")
    payment = params.text(call.params, "payment_intent")
    return lists.page(call, "refund", subjects=[charge] if charge else None, grouping=payment)
