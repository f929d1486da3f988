"""What a Checkout session looks like."""

from sandbox.stripe.checkout_lines import Sums
from sandbox.stripe.ids import new_id
from sandbox.stripe.store import Json

OPEN_S = 24 * 3600


def new_session(now: int, currency: str, sums: Sums, mode: str) -> Json:
    """An open session that nobody has paid."""
    nothing = dict.fromkeys(
        (
            "adaptive_pricing", "after_expiration", "allow_promotion_codes", "billing_address_collection", "cancel_url",
            "client_reference_id", "client_secret", "consent", "consent_collection", "currency_conversion", "customer",
            "customer_creation", "customer_details", "customer_email", "invoice", "invoice_creation", "locale",
            "payment_intent", "payment_link", "payment_method_configuration_details", "phone_number_collection",
            "recovered_from", "setup_intent", "shipping_address_collection", "submit_type", "subscription",
        )
    )  # fmt: skip
    texts = ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
    return nothing | summed(sums) | {
        "id": new_id("cs_test", 58), "object": "checkout.session",
        "automatic_tax": {"enabled": sums.tax > 0, "liability": None, "provider": None, "status": None},
        "created": now, "currency": currency, "custom_fields": [], "custom_text": dict.fromkeys(texts), "discounts": [],
        "expires_at": now + OPEN_S, "livemode": False, "metadata": {}, "mode": mode,
        "payment_method_collection": "if_required", "payment_method_options": {}, "payment_method_types": ["card"],
        "payment_status": "unpaid", "shipping_options": [], "status": "open", "success_url": None,
        "ui_mode": "hosted_page", "url": None,
    }  # fmt: skip


def summed(sums: Sums) -> Json:
    """The amounts of a session."""
    shipping = {
        "amount_subtotal": sums.shipping, "amount_tax": 0, "amount_total": sums.shipping, "shipping_rate": None,
    } if sums.shipping else None  # fmt: skip
    return {
        "amount_subtotal": sums.subtotal, "amount_total": sums.total, "shipping_cost": shipping,
        "total_details": {
            "amount_discount": sums.discount, "amount_shipping": sums.shipping, "amount_tax": sums.tax,
        },
    }  # fmt: skip
