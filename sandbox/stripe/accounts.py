"""Connected accounts: create, retrieve, update, list, delete, and their capabilities."""

from sandbox.stripe import balance, events, lists, params
from sandbox.stripe.account_shape import new_account
from sandbox.stripe.box import Box
from sandbox.stripe.call import Call
from sandbox.stripe.countries import CURRENCY_OF
from sandbox.stripe.errors import StripeRefusal, no_access, no_such
from sandbox.stripe.form import Tree
from sandbox.stripe.store import Json, Store

TYPES = ("custom", "express", "standard")
BUSINESS_TYPES = ("company", "government_entity", "individual", "non_profit")
CHANGEABLE = (
    "business_profile",
    "business_type",
    "capabilities",
    "default_currency",
    "email",
    "metadata",
    "settings",
)
PROFILE = ("mcc", "name", "product_description", "support_email", "support_phone", "support_url", "url")
INTERVALS = ("daily", "manual", "monthly", "weekly")


def check_access(store: Store, account: str) -> None:
    """Refuse acting for an account that is not (or no longer) connected; empty stands for the platform."""
    if account and store.find("account", account) is None:
        raise no_access(account)


def reachable(call: Call, account: str) -> Json:
    """The account in the address, or 403 as Stripe answers."""
    body = call.store.find("account", account)
    if body is None or (call.owner and call.owner != account):
        raise no_access(account)
    return body


def create(call: Call) -> Json:
    """`POST /v1/accounts`: `type` or `controller`, country, email, capabilities, metadata, profile, settings."""
    params.allow(call.params, "type", "controller", "country", *CHANGEABLE)
    country = (params.text(call.params, "country") or "US").upper()
    if country not in CURRENCY_OF:
        raise StripeRefusal(
            f"Country '{country[:10]}' is unknown or not supported.",
            code="country_unsupported",
            param="country",
        )
    body = new_account(kind="none", country=country, currency=CURRENCY_OF[country], now=call.now)
    body |= who_controls(call.params)
    body = _with_changes(call.params, body)
    call.store.add("account", body)
    balance.set_funds(call.store, body["id"], body["default_currency"], 0)
    return body


def who_controls(sent: Tree) -> Json:
    """`type` or `controller` as an account has them."""
    kind, controller = params.text(sent, "type"), params.branch(sent, "controller")
    if kind and controller:
        raise StripeRefusal(
            "You may pass only one of these parameters: type, controller.", code="parameters_exclusive"
        )
    if kind and kind not in TYPES:
        raise StripeRefusal(f"Invalid type: must be one of {', '.join(TYPES)}", param="type")
    dashboard = (
        params.text(params.branch(controller, "stripe_dashboard"), "type")
        if controller
        else kind or "standard"
    )
    losses = params.text(params.branch(controller, "losses"), "payments")
    fees = params.text(params.branch(controller, "fees"), "payer")
    collects = params.text(controller, "requirement_collection")
    return {
        "type": "none" if controller else kind or "standard",
        "controller": {
            "type": "application", "is_controller": True,
            "fees": {"payer": fees or ("account" if kind in {None, "standard"} else "application_express")},
            "losses": {"payments": losses or ("stripe" if kind in {None, "standard"} else "application")},
            "requirement_collection": collects or ("application" if kind == "custom" else "stripe"),
            "stripe_dashboard": {
                "type": {"standard": "full", "custom": "none"}.get(dashboard or "full", dashboard or "full"),
            },
        },
    }  # fmt: skip


def _with_changes(sent: Tree, account: Json) -> Json:
    body = account | {"metadata": params.metadata(sent, account["metadata"])}
    if email := params.text(sent, "email"):
        body["email"] = checked_email(email)
    if kind := params.text(sent, "business_type"):
        if kind not in BUSINESS_TYPES:
            raise StripeRefusal(
                f"Invalid business_type: must be one of {', '.join(BUSINESS_TYPES)}", param="business_type"
            )
        body["business_type"] = kind
    if currency := params.text(sent, "default_currency"):
        body["default_currency"] = balance.known_currency(currency)
    profile = params.branch(sent, "business_profile")
    params.allow(profile, *PROFILE)
    body["business_profile"] = account["business_profile"] | {
        name: params.text(profile, name) for name in profile
    }
    body["settings"] = _with_schedule(params.branch(sent, "settings"), account["settings"])
    return _with_capabilities(params.branch(sent, "capabilities"), body)


def checked_email(email: str) -> str:
    """An address, or the refusal."""
    name, at, host = email.partition("@")
    if not (name and at and host) or any(sign.isspace() for sign in email):
        raise StripeRefusal(f"Invalid email address: {email[:80]}", code="email_invalid", param="email")
    return email


def _with_schedule(sent: Tree, settings: Json) -> Json:
    params.allow(sent, "payouts")
    payouts = params.branch(sent, "payouts")
    params.allow(payouts, "schedule")
    schedule = params.branch(payouts, "schedule")
    params.allow(schedule, "interval")
    interval = params.text(schedule, "interval")
    if interval is None:
        return settings
    if interval not in INTERVALS:
        raise StripeRefusal(
            f"Invalid interval: must be one of {', '.join(INTERVALS)}",
            param="settings[payouts][schedule][interval]",
        )
    changed = settings["payouts"]["schedule"] | {"interval": interval}
    return settings | {"payouts": settings["payouts"] | {"schedule": changed}}


def _with_capabilities(sent: Tree, body: Json) -> Json:
    """Requested ones are inactive until onboarding is done, then active; unrequested ones disappear."""
    capabilities = dict(body["capabilities"])
    for name in sent:
        if not name.isidentifier():
            raise StripeRefusal(f"Invalid capability: {name[:40]}", param="capabilities")
        wanted = params.boolean(params.branch(sent, name), "requested")
        if wanted:
            capabilities.setdefault(name, "active" if body["details_submitted"] else "inactive")
        elif wanted is False:
            capabilities.pop(name, None)
    return body | {"capabilities": capabilities}


def retrieve(call: Call, account: str) -> Json:
    """`GET /v1/accounts/{account}`."""
    params.allow(call.params)
    return reachable(call, account)


def update(call: Call, account: str) -> Json:
    """`POST /v1/accounts/{account}`; announces `account.updated`."""
    params.allow(call.params, *CHANGEABLE)
    before = reachable(call, account)
    return change(call.box, before, _with_changes(call.params, before), cause=call)


def change(box: Box, before: Json, after: Json, *, cause: Call | None = None) -> Json:
    """Store the account as it now is and tell the platform, if anything changed; answers it."""
    if previous := events.changed(before, after):
        box.store.save(after)
        events.emit(box, "account.updated", after, account=after["id"], previous=previous, cause=cause)
    return after


def list_accounts(call: Call) -> Json:
    """`GET /v1/accounts`."""
    params.allow(call.params, *lists.NAMES)
    return lists.page(call, "account")


def delete(call: Call, account: str) -> Json:
    """`DELETE /v1/accounts/{account}`; refused while the account holds money."""
    params.allow(call.params)
    reachable(call, account)
    if call.store.row("SELECT 1 FROM funds WHERE owner = :owner AND amount <> 0", {"owner": account}):
        raise StripeRefusal("This account cannot be deleted while its balance is not zero.", remembered=True)
    call.store.remove(account)
    call.store.run("DELETE FROM funds WHERE owner = :owner", {"owner": account})
    return {"id": account, "object": "account", "deleted": True}


def list_capabilities(call: Call, account: str) -> Json:
    """`GET /v1/accounts/{account}/capabilities`."""
    params.allow(call.params)
    body = reachable(call, account)
    return lists.listed([_capability(body, name) for name in body["capabilities"]], call.path)


def retrieve_capability(call: Call, account: str, capability: str) -> Json:
    """`GET /v1/accounts/{account}/capabilities/{capability}`."""
    params.allow(call.params)
    body = reachable(call, account)
    if capability not in body["capabilities"]:
        raise no_such("capability", capability, param="capability", status=404)
    return _capability(body, capability)


def _capability(account: Json, name: str) -> Json:
    return {
        "id": name, "object": "capability", "account": account["id"], "requested": True,
        "requested_at": account["created"], "requirements": account["requirements"],
        "future_requirements": account["future_requirements"], "status": account["capabilities"][name],
    }  # fmt: skip
