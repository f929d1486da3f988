"""What a connected account looks like before and after its owner has been through onboarding."""

from sandbox.stripe.ids import new_id
from sandbox.stripe.store import Json

DUE_AT_FIRST = [
    "business_type", "external_account", "individual.address.line1", "individual.dob.day", "individual.first_name",
    "individual.last_name", "tos_acceptance.date", "tos_acceptance.ip",
]  # fmt: skip


def new_account(*, kind: str, country: str, currency: str, now: int) -> Json:
    """A fresh account: nothing submitted, nothing enabled, everything still due."""
    account_id = new_id("acct", 16)
    return {
        "id": account_id, "object": "account", "business_profile": profile(), "business_type": None, "capabilities": {},
        "charges_enabled": False, "controller": {"type": "application"}, "country": country, "created": now,
        "default_currency": currency, "details_submitted": False, "email": None,
        "external_accounts": {
            "object": "list", "data": [], "has_more": False, "url": f"/v1/accounts/{account_id}/external_accounts",
        },
        "future_requirements": requirements([]), "metadata": {}, "payouts_enabled": False,
        "requirements": requirements(DUE_AT_FIRST, disabled_reason="requirements.past_due"), "settings": settings(),
        "tos_acceptance": {"date": None, "ip": None, "user_agent": None}, "type": kind,
    }  # fmt: skip


def profile() -> Json:
    """An empty business profile."""
    return {
        "mcc": None, "name": None, "product_description": None, "support_address": None, "support_email": None,
        "support_phone": None, "support_url": None, "url": None,
    }  # fmt: skip


def requirements(due: list[str], *, disabled_reason: str | None = None) -> Json:
    """What is still asked of the account."""
    return {
        "alternatives": [], "current_deadline": None, "currently_due": list(due), "disabled_reason": disabled_reason,
        "errors": [], "eventually_due": list(due), "past_due": list(due) if disabled_reason else [],
        "pending_verification": [],
    }  # fmt: skip


def settings() -> Json:
    """The settings of a fresh account: paid out daily, two days later."""
    return {
        "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
        "card_payments": {
            "decline_on": {"avs_failure": False, "cvc_failure": False}, "statement_descriptor_prefix": None,
            "statement_descriptor_prefix_kana": None, "statement_descriptor_prefix_kanji": None,
        },
        "dashboard": {"display_name": None, "timezone": "Etc/UTC"},
        "payments": {
            "statement_descriptor": None, "statement_descriptor_kana": None, "statement_descriptor_kanji": None,
        },
        "payouts": {
            "debit_negative_balances": True, "schedule": {"delay_days": 2, "interval": "daily"},
            "statement_descriptor": None,
        },
    }  # fmt: skip


def bank_account(account: Json, holder: str, last4: str) -> Json:
    """The bank account given during onboarding."""
    return {
        "id": new_id("ba"), "object": "bank_account", "account": account["id"], "account_holder_name": holder,
        "account_holder_type": "individual", "account_type": None, "available_payout_methods": ["standard"],
        "bank_name": "LOCAL TEST BANK", "country": account["country"], "currency": account["default_currency"],
        "default_for_currency": True, "fingerprint": new_id("fp", 16)[3:], "last4": last4, "metadata": {},
        "routing_number": None, "status": "new",
    }  # fmt: skip


def onboarded(account: Json, holder: str, last4: str, now: int) -> Json:
    """The account after its owner has given everything: capabilities active, payouts enabled, nothing due."""
    bank = bank_account(account, holder, last4)
    capabilities = dict.fromkeys(account["capabilities"], "active")
    return account | {
        "business_type": account["business_type"] or "individual",
        "capabilities": capabilities,
        "charges_enabled": capabilities.get("card_payments") == "active",
        "details_submitted": True,
        "external_accounts": account["external_accounts"] | {"data": [bank]},
        "payouts_enabled": True,
        "requirements": requirements([]),
        "tos_acceptance": {"date": now, "ip": "127.0.0.1", "user_agent": None},
    }
