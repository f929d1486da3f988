"""Charges: what was paid by card, and how much of it went back."""

import hashlib

from sandbox.stripe import balance, events, lists, params
from sandbox.stripe.call import Call
from sandbox.stripe.errors import no_such
from sandbox.stripe.ids import new_id
from sandbox.stripe.store import Json


def charge(call: Call, amount: int, currency: str, *, payment_intent: str, customer: str | None, email: str | None,
           metadata: dict[str, str]) -> Json:  # fmt: skip
    """Take a payment for the platform; announces `charge.succeeded`."""
    body = _charge(call, amount, currency, payment_intent) | {"customer": customer, "metadata": metadata}
    body["billing_details"]["email"] = email
    body["payment_method_details"]["card"] = _card(email or "")
    body["balance_transaction"] = balance.book(
        call, balance.PLATFORM, amount, currency, kind="charge", source=body["id"]
    )
    call.store.add("charge", body, subject=customer, grouping=payment_intent)
    events.emit(call.box, "charge.succeeded", body)
    return body


def _charge(call: Call, amount: int, currency: str, payment_intent: str) -> Json:
    nothing = dict.fromkeys(
        (
            "application", "application_fee", "application_fee_amount", "authorization_code",
            "calculated_statement_descriptor", "description", "failure_balance_transaction", "failure_code",
            "failure_message", "fraud_details", "on_behalf_of", "outcome", "payment_method",
            "receipt_email", "receipt_number", "receipt_url", "review", "shipping", "source", "source_transfer",
            "statement_descriptor", "statement_descriptor_suffix", "transfer_data", "transfer_group",
        )
    )  # fmt: skip
    return nothing | {
        "id": new_id("ch"), "object": "charge", "amount": amount, "amount_captured": amount, "amount_refunded": 0,
        "billing_details": {"address": None, "email": None, "name": None, "phone": None, "tax_id": None},
        "captured": True, "created": call.now, "currency": currency, "disputed": False, "livemode": False, "paid": True,
        "payment_intent": payment_intent, "payment_method_details": {"card": _card(""), "type": "card"},
        "refunded": False, "status": "succeeded",
    }  # fmt: skip


def _card(buyer: str) -> Json:
    """A card of the buyer's: the same one has the same fingerprint."""
    fingerprint = hashlib.sha256(f"card of {buyer}".encode()).hexdigest()[:16]
    nothing = dict.fromkeys(
        (
            "amount_authorized",
            "authorization_code",
            "installments",
            "mandate",
            "network",
            "three_d_secure",
            "wallet",
        )
    )
    return nothing | {
        "brand": "visa", "checks": None, "country": "NL", "exp_month": 12, "exp_year": 2034, "fingerprint": fingerprint,
        "funding": "credit", "last4": "4242",
    }  # fmt: skip


def existing(call: Call, charge_id: str, *, status: int = 400) -> Json:
    """The charge, or a refusal."""
    body = call.store.find("charge", charge_id)
    if body is None:
        raise no_such("charge", charge_id, param="charge", status=status)
    return body


def retrieve(call: Call, charge: str) -> Json:
    """`GET /v1/charges/{charge}`."""
    params.allow(call.params)
    return existing(call, charge, status=404)


def list_charges(call: Call) -> Json:
    """`GET /v1/charges`, also by `payment_intent` and `customer`."""
    params.allow(call.params, "payment_intent", "customer", *lists.NAMES)
    customer = params.text(call.params, "customer")
    return lists.page(
        call,
        "charge",
        subjects=[customer] if customer else None,
        grouping=params.text(call.params, "payment_intent"),
    )
