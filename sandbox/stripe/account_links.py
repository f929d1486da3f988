"""Links into the hosted pages: onboarding (single use, five minutes) and the account owner's own view."""

from urllib.parse import urlsplit

from sandbox.stripe import params
from sandbox.stripe.accounts import reachable
from sandbox.stripe.call import Call
from sandbox.stripe.errors import StripeRefusal, missing_param, no_such
from sandbox.stripe.form import Tree
from sandbox.stripe.ids import new_id
from sandbox.stripe.store import Json, Store

LINK_S = 5 * 60
SESSION_S = 60 * 60


def create(call: Call) -> Json:
    """`POST /v1/account_links` for `account_onboarding`, with refresh_url and return_url."""
    params.allow(call.params, "account", "type", "refresh_url", "return_url", "collect", "collection_options")
    account, kind = params.required(call.params, "account"), params.required(call.params, "type")
    if call.store.find("account", account) is None:
        raise no_such("account", account, param="account")
    if kind != "account_onboarding":
        raise StripeRefusal(
            "The local Stripe makes account links of type account_onboarding only.", param="type"
        )
    refresh_url, return_url = address(call.params, "refresh_url"), address(call.params, "return_url")
    token = issue(
        call.store, "onboarding", account, call.now + LINK_S, refresh_url=refresh_url, return_url=return_url
    )
    return {
        "object": "account_link", "created": call.now, "expires_at": call.now + LINK_S,
        "url": f"{call.host_url}onboarding/{token}",
    }  # fmt: skip


def create_login(call: Call, account: str) -> Json:
    """`POST /v1/accounts/{account}/login_links`: a link to the owner's own view, once onboarding is done."""
    params.allow(call.params)
    body = reachable(call, account)
    if body["controller"]["stripe_dashboard"]["type"] != "express":
        raise StripeRefusal(
            "Login links exist only for accounts with the Express Dashboard.", remembered=True
        )
    if not body["details_submitted"]:
        raise StripeRefusal(
            "Login links exist only once the account has completed onboarding.", remembered=True
        )
    token = issue(call.store, "login", account, call.now + LINK_S)
    return {"object": "login_link", "created": call.now, "url": f"{call.host_url}express/{token}"}


def issue(
    store: Store, kind: str, account: str, expires_at: int, *, refresh_url: str = "", return_url: str = ""
) -> str:
    """A new link of a kind ("onboarding", "session", "login"); its secret token."""
    token = new_id("al", 32)
    store.run(
        "INSERT INTO links (token, kind, account, refresh_url, return_url, expires_at)"
        " VALUES (:token, :kind, :account, :refresh_url, :return_url, :expires_at)",
        {
            "token": token, "kind": kind, "account": account, "refresh_url": refresh_url, "return_url": return_url,
            "expires_at": expires_at,
        },
    )  # fmt: skip
    return token


def find(store: Store, kind: str, token: str) -> Json | None:
    """The link of that kind and token, used or not, expired or not."""
    row = store.row(
        "SELECT * FROM links WHERE token = :token AND kind = :kind", {"token": token, "kind": kind}
    )
    return dict(row) if row else None


def use(store: Store, token: str, now: int) -> bool:
    """Use the link up; False when it was used before or has expired."""
    return (
        store.run(
            "UPDATE links SET used = 1 WHERE token = :token AND used = 0 AND expires_at > :now",
            {"token": token, "now": now},
        )
        == 1
    )


def address(sent: Tree, name: str) -> str:
    """A web address that must be there."""
    url = params.text(sent, name)
    if url is None:
        raise missing_param(name)
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).netloc:
        raise StripeRefusal("Not a valid URL", code="url_invalid", param=name)
    return url
