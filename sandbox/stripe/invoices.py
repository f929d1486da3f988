"""Invoices of simple subscriptions, paid at once."""

from sandbox.stripe import charges, events, lists, params
from sandbox.stripe.call import Call
from sandbox.stripe.errors import no_such
from sandbox.stripe.ids import new_id
from sandbox.stripe.store import Json


def bill(call: Call, subscription: Json, reason: str) -> Json:
    """Charge a subscription for a period (`subscription_create` or `subscription_cycle`); announces `invoice.paid`.

    An invoice of nothing is paid without a payment.
    """
    body, payments = _invoice(call, subscription, reason), list[Json]()
    if subscription["amount"]:
        payment = new_id("pi")
        charges.charge(
            call, subscription["amount"], subscription["currency"], payment_intent=payment, metadata={},
            customer=subscription["customer"], email=subscription["email"],
        )  # fmt: skip
        payments.append(_payment(body, payment, call.now))
    call.store.add("invoice", body, subject=subscription["id"], grouping=subscription["customer"])
    listed = lists.listed(payments, f"/v1/invoice_payments?invoice={body['id']}")
    call.store.add("payments", {"id": f"{body['id']}/payments", "created": call.now, "list": listed})
    events.emit(call.box, "invoice.paid", body)
    return body


def _invoice(call: Call, subscription: Json, reason: str) -> Json:
    amount, tax = subscription["amount"], subscription["tax"]
    nothing = dict.fromkeys(
        (
            "account_country", "account_name", "account_tax_ids", "application", "automatically_finalizes_at",
            "custom_fields", "customer_address", "customer_name", "customer_phone", "customer_shipping",
            "default_payment_method", "default_source", "description", "due_date", "ending_balance", "footer",
            "from_invoice", "hosted_invoice_url", "invoice_pdf", "last_finalization_error", "latest_revision",
            "next_payment_attempt", "number", "on_behalf_of", "receipt_number", "rendering", "shipping_cost",
            "shipping_details", "statement_descriptor", "test_clock",
        )
    )  # fmt: skip
    details = {"metadata": subscription["metadata"], "subscription": subscription["id"]}
    at = call.now
    return nothing | {
        "id": new_id("in"), "object": "invoice", "amount_due": amount, "amount_overpaid": 0, "amount_paid": amount,
        "amount_remaining": 0, "amount_shipping": 0, "attempt_count": 1, "attempted": True, "auto_advance": False,
        "automatic_tax": {
            "disabled_reason": None, "enabled": tax > 0, "liability": None, "provider": None, "status": None,
        },
        "billing_reason": reason, "collection_method": "charge_automatically", "created": at,
        "currency": subscription["currency"], "customer": subscription["customer"],
        "customer_email": subscription["email"], "customer_tax_exempt": "none", "customer_tax_ids": [],
        "default_tax_rates": [], "discounts": [], "effective_at": at, "issuer": {"type": "self"},
        "lines": lists.listed([], "/v1/invoices/lines"), "livemode": False, "metadata": {},
        "parent": {"quote_details": None, "subscription_details": details, "type": "subscription_details"},
        "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        "period_end": at, "period_start": at, "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0, "starting_balance": 0, "status": "paid",
        "status_transitions": {
            "finalized_at": at, "marked_uncollectible_at": None, "paid_at": at, "voided_at": None,
        },
        "subtotal": amount - tax, "subtotal_excluding_tax": amount - tax, "total": amount,
        "total_discount_amounts": [], "total_excluding_tax": amount - tax, "total_pretax_credit_amounts": [],
        "total_taxes": [], "webhooks_delivered_at": None,
    }  # fmt: skip


def _payment(invoice: Json, payment_intent: str, now: int) -> Json:
    return {
        "id": new_id("inpay"), "object": "invoice_payment", "amount_paid": invoice["amount_paid"],
        "amount_requested": invoice["amount_due"], "created": now, "currency": invoice["currency"],
        "invoice": invoice["id"], "is_default": True, "livemode": False,
        "payment": {"payment_intent": payment_intent, "type": "payment_intent"}, "status": "paid",
        "status_transitions": {"canceled_at": None, "paid_at": now},
    }  # fmt: skip


def retrieve(call: Call, invoice: str) -> Json:
    """`GET /v1/invoices/{invoice}`."""
    params.allow(call.params)
    body = call.store.find("invoice", invoice)
    if body is None:
        raise no_such("invoice", invoice, param="invoice", status=404)
    return body


def list_invoices(call: Call) -> Json:
    """`GET /v1/invoices`, also by `subscription` and `customer`."""
    params.allow(call.params, "subscription", "customer", *lists.NAMES)
    subscription, customer = params.text(call.params, "subscription"), params.text(call.params, "customer")
    return lists.page(call, "invoice", subjects=[subscription] if subscription else None, grouping=customer)
