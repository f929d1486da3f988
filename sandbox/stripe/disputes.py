"""Disputes: a buyer's bank takes a payment back, at first for the time being."""

from sandbox.stripe import balance, events, lists, params
from sandbox.stripe.call import Call
from sandbox.stripe.errors import StripeRefusal, no_such
from sandbox.stripe.ids import new_id
from sandbox.stripe.store import Json

ANSWER_WITHIN_S = 14 * 24 * 3600
EVIDENCE = (
    "access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure",
    "cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name", "customer_purchase_ip",
    "customer_signature", "duplicate_charge_documentation", "duplicate_charge_explanation", "duplicate_charge_id",
    "product_description", "receipt", "refund_policy", "refund_policy_disclosure", "refund_refusal_explanation",
    "service_date", "service_documentation", "shipping_address", "shipping_carrier", "shipping_date",
    "shipping_documentation", "shipping_tracking_number", "uncategorized_file", "uncategorized_text",
)  # fmt: skip


def begin(call: Call, charge: Json, amount: int | None) -> Json:
    """A buyer disputes a charge: the money is withdrawn; announces `charge.dispute.created` and `…funds_withdrawn`."""
    left = charge["amount"] - charge["amount_refunded"]
    taken = left if amount is None else amount
    if charge["disputed"] or not 0 < taken <= left:
        raise StripeRefusal("This charge cannot be disputed (any more) for that much.", param="amount")
    body = _dispute(call, charge, taken)
    call.store.add("dispute", body, subject=charge["id"], grouping=charge["payment_intent"])
    call.store.save(charge | {"disputed": True})
    events.emit(call.box, "charge.dispute.created", body)
    return _move(call, body, -taken, "charge.dispute.funds_withdrawn")


def close(call: Call, dispute: Json, status: str) -> Json:
    """The bank decides: won (the money comes back) or lost; a lost one may still be won afterwards."""
    if dispute["status"] == "won":
        raise StripeRefusal("This dispute is closed already.")
    after = dispute | {"status": status}
    call.store.save(after)
    events.emit(call.box, "charge.dispute.closed", after, previous=events.changed(dispute, after))
    return (
        _move(call, after, after["amount"], "charge.dispute.funds_reinstated") if status == "won" else after
    )


def _move(call: Call, body: Json, amount: int, kind: str) -> Json:
    moved = balance.book(
        call, balance.PLATFORM, amount, body["currency"], kind="adjustment", source=body["id"]
    )
    booked = call.store.find("balance_transaction", moved)
    after = body | {"balance_transactions": [*body["balance_transactions"], booked]}
    call.store.save(after)
    events.emit(call.box, kind, after)
    return after


def _dispute(call: Call, charge: Json, amount: int) -> Json:
    return {
        "id": new_id("du"), "object": "dispute", "amount": amount, "balance_transactions": [], "charge": charge["id"],
        "created": call.now, "currency": charge["currency"], "enhanced_eligibility_types": [],
        "evidence": dict.fromkeys(EVIDENCE) | {"enhanced_evidence": {}},
        "evidence_details": {
            "due_by": call.now + ANSWER_WITHIN_S, "enhanced_eligibility": {}, "has_evidence": False, "past_due": False,
            "submission_count": 0, "submission_method": "not_submitted",
        },
        "is_charge_refundable": False, "livemode": False, "metadata": {}, "payment_intent": charge["payment_intent"],
        "reason": "general", "status": "needs_response",
    }  # fmt: skip


def existing(call: Call, dispute: str) -> Json:
    """The dispute, or 404."""
    body = call.store.find("dispute", dispute)
    if body is None:
        raise no_such("dispute", dispute, param="dispute", status=404)
    return body


def retrieve(call: Call, dispute: str) -> Json:
    """`GET /v1/disputes/{dispute}`."""
    params.allow(call.params)
    return existing(call, dispute)


def list_disputes(call: Call) -> Json:
    """`GET /v1/disputes`, also by `charge` and `payment_intent`."""
    params.allow(call.params, "charge", "payment_intent", *lists.NAMES)
    charge = params.text(call.params, "charge")
    payment = params.text(call.params, "payment_intent")
    return lists.page(call, "dispute", subjects=[charge] if charge else None, grouping=payment)
