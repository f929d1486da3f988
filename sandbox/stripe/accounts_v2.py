"""Accounts v2: the same connected accounts as JSON, with a recipient configuration and what is asked as entries.

A field that is not named in `include` is null, as Stripe has it. A platform without access is refused.
"""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from sandbox.stripe import account_links, accounts, balance, params
from sandbox.stripe.account_links import LINK_S
from sandbox.stripe.account_shape import new_account
from sandbox.stripe.call import Call
from sandbox.stripe.countries import CURRENCY_OF
from sandbox.stripe.errors import StripeRefusal, no_such
from sandbox.stripe.form import Tree
from sandbox.stripe.store import Json, Store

INCLUDES = ("configuration.recipient", "defaults", "future_requirements", "identity", "requirements")
COLLECTORS = ("application", "stripe")
DASHBOARDS = ("express", "full", "none")


def open_to(store: Store, *, platform: bool) -> None:
    """Say whether the platform has access to Accounts v2; it has at first."""
    store.run("INSERT OR REPLACE INTO settings VALUES ('accounts_v2', :value)", {"value": str(int(platform))})


def _require_access(store: Store) -> None:
    row = store.row("SELECT value FROM settings WHERE name = 'accounts_v2'")
    if row is not None and row["value"] == "0":
        said = "Accounts v2 is not enabled for your platform."
        raise StripeRefusal(said, status=403, code="accounts_v2_access_blocked", user_message=said)


def create(call: Call) -> Json:
    """`POST /v2/core/accounts`: country, e-mail, dashboard, who is responsible, a recipient's transfers, metadata."""
    _require_access(call.store)
    sent = call.params
    params.allow(
        sent, "contact_email", "configuration", "dashboard", "defaults", "display_name", "identity", "include",
        "metadata",
    )  # fmt: skip
    country = (params.text(params.branch(sent, "identity"), "country") or "").upper()
    if country not in CURRENCY_OF:
        raise StripeRefusal(
            f"Country '{country[:10]}' is unknown or not supported.", code="unsupported_country"
        )
    body = new_account(kind="none", country=country, currency=CURRENCY_OF[country], now=call.now)
    body |= accounts.who_controls({"controller": _controller(sent)})
    body["email"] = accounts.checked_email(params.required(sent, "contact_email"))
    body["metadata"] = params.metadata(sent, {})
    if _asks_for_transfers(params.branch(sent, "configuration")):
        body["capabilities"] = {"transfers": "inactive"}
    call.store.add("account", body)
    balance.set_funds(call.store, body["id"], body["default_currency"], 0)
    return _shape(body, _included(sent))


def _controller(sent: Tree) -> Tree:
    """Who is responsible, in the words of version 1."""
    responsible = params.branch(params.branch(sent, "defaults"), "responsibilities")
    fees, losses = (params.required(responsible, f"{each}_collector") for each in ("fees", "losses"))
    dashboard = params.required(sent, "dashboard")
    if fees not in COLLECTORS or losses not in COLLECTORS or dashboard not in DASHBOARDS:
        raise StripeRefusal(
            "This combination of responsibilities is not supported.", code="invalid_parameter"
        )
    return {
        "stripe_dashboard": {"type": dashboard},
        "fees": {"payer": "application" if fees == "application" else "account"},
        "losses": {"payments": losses},
        "requirement_collection": "stripe",
    }


def _asks_for_transfers(configuration: Tree) -> bool:
    params.allow(configuration, "recipient")
    capabilities = params.branch(params.branch(configuration, "recipient"), "capabilities")
    transfers: dict[str, Any] = params.branch(
        params.branch(capabilities, "stripe_balance"), "stripe_transfers"
    )
    return transfers.get("requested") is True


def retrieve(call: Call, account: str) -> Json:
    """`GET /v2/core/accounts/{id}`."""
    _require_access(call.store)
    params.allow(call.params, "include")
    body = call.store.find("account", account)
    if body is None:
        raise no_such("account", account, param="id", status=404)
    return _shape(body, _included(call.params))


def _included(sent: Tree) -> frozenset[str]:
    asked = params.texts(sent, "include")
    if strange := [each for each in asked if each not in INCLUDES]:
        raise StripeRefusal(f"Received unknown include: {strange[0][:60]}", code="invalid_parameter")
    return frozenset(asked)


def create_link(call: Call) -> Json:
    """`POST /v2/core/account_links`: onboarding of a recipient."""
    _require_access(call.store)
    sent = call.params
    params.allow(sent, "account", "use_case")
    account, use = params.required(sent, "account"), params.branch(sent, "use_case")
    if call.store.find("account", account) is None:
        raise no_such("account", account, param="account", status=404)
    if params.required(use, "type") != "account_onboarding":
        raise StripeRefusal("The local Stripe makes account links of type account_onboarding only.")
    onboarding = params.branch(use, "account_onboarding")
    places = {name: _address(onboarding, name) for name in ("refresh_url", "return_url")}
    token = account_links.issue(call.store, "onboarding", account, call.now + LINK_S, **places)
    return {
        "object": "v2.core.account_link", "account": account, "created": _moment(call.now),
        "expires_at": _moment(call.now + LINK_S), "livemode": False, "url": f"{call.host_url}onboarding/{token}",
        "use_case": {
            "type": "account_onboarding",
            "account_onboarding": {"collection_options": None, **places},
        },
    }  # fmt: skip


def _address(sent: Tree, name: str) -> str:
    url = params.required(sent, name)
    if urlsplit(url).scheme not in {"http", "https"}:
        raise StripeRefusal("Not a valid URL", code="url_invalid", param=name)
    return url


def _shape(body: Json, included: frozenset[str]) -> Json:
    """The account as version 2 says it."""
    said = {
        "configuration": {"customer": None, "merchant": None, "recipient": _recipient(body)},
        "defaults": _defaults(body),
        "future_requirements": {"entries": [], "summary": {"minimum_deadline": None}},
        "identity": {
            "attestations": None, "business_details": None, "country": body["country"],
            "entity_type": body["business_type"], "individual": None,
        },
        "requirements": _requirements(body),
    }  # fmt: skip
    shown = {each.partition(".")[0] for each in included}
    return {
        "id": body["id"], "object": "v2.core.account", "applied_configurations": ["recipient"], "closed": False,
        "contact_email": body["email"], "contact_phone": None, "created": _moment(body["created"]),
        "dashboard": body["controller"]["stripe_dashboard"]["type"], "display_name": None, "livemode": False,
        "metadata": body["metadata"],
        **{name: value if name in shown else None for name, value in said.items()},
    }  # fmt: skip


def _recipient(body: Json) -> Json:
    transfers = body["capabilities"].get("transfers")
    paid_out = "active" if body["payouts_enabled"] else "restricted"
    of_balance = {
        "payouts": _capability(body, paid_out),
        "stripe_transfers": _capability(body, "active" if transfers == "active" else "restricted"),
    }
    capabilities = {
        "bank_accounts": None,
        "cards": None,
        "stripe_balance": of_balance,
    }
    return {
        "applied": True, "capabilities": capabilities if transfers else None,
    }  # fmt: skip


def _capability(body: Json, status: str) -> Json:
    asked = body["requirements"]["currently_due"]
    code, way = ("requirements_past_due", "provide_info") if asked else ("restricted_other", "contact_stripe")
    return {
        "status": status,
        "status_details": [] if status == "active" else [{"code": code, "resolution": way}],
    }


def _defaults(body: Json) -> Json:
    controller = body["controller"]
    fees = "application" if controller["fees"]["payer"].startswith("application") else "stripe"
    return {
        "currency": body["default_currency"], "locales": None, "profile": None,
        "responsibilities": {
            "fees_collector": fees, "losses_collector": controller["losses"]["payments"],
            "requirements_collector": controller["requirement_collection"],
        },
    }  # fmt: skip


def _requirements(body: Json) -> Json:
    asked = body["requirements"]
    past_due = set(asked["past_due"])
    entries = [
        _entry(each, "past_due" if each in past_due else "currently_due") for each in asked["currently_due"]
    ]
    status = "past_due" if past_due else "currently_due"
    return {
        "entries": entries,
        "summary": {"minimum_deadline": {"status": status, "time": None} if entries else None},
    }


def _entry(asked: str, deadline: str) -> Json:
    restricted = {
        "capability": "stripe_balance.stripe_transfers", "configuration": "recipient",
        "deadline": {"status": deadline},
    }  # fmt: skip
    return {
        "awaiting_action_from": "user", "description": asked, "errors": [],
        "impact": {"restricts_capabilities": [restricted]}, "minimum_deadline": {"status": deadline},
        "reference": None, "requested_reasons": [{"code": "routine_onboarding"}],
    }  # fmt: skip


def _moment(unix: int) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
