"""Accounts of those whom we pay, at Stripe: by version 2 of its API where the platform has it, else by version 1.

One account has one id in both, and the same facts are read from either. Which it is shows when Stripe is asked: a platform
without Accounts v2 is refused (`accounts_v2_access_blocked`), and the same thing is asked again in version 1.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from rewards.stripe.stripe_gateway import Body, Refused, services, understood

T = TypeVar("T")
BLOCKED = "accounts_v2_access_blocked"
RECIPIENT = "configuration.recipient"


@dataclass(frozen=True)
class AccountFacts:
    """What Stripe says about a connected account."""

    account_id: str
    country: str
    transfers: str
    """the capability: active, inactive, pending, or empty when it was never asked for"""
    payouts_enabled: bool
    details_submitted: bool
    disabled_reason: str
    due: tuple[str, ...]
    fingerprints: tuple[str, ...] = ()
    """of the bank accounts and cards that it is paid to"""


def create_account(key: str, *, country: str, email: str, metadata: dict[str, str]) -> str:
    """Make an account with the Express Dashboard that can receive transfers; the answer is its id."""
    return _either(
        lambda: _created_v2(key, country=country, email=email, metadata=metadata),
        lambda: _created_v1(key, country=country, email=email, metadata=metadata),
        making=True,
    )


def onboarding_link(account_id: str, *, return_url: str, refresh_url: str) -> str:
    """A single-use address of Stripe's onboarding for an account."""
    places = {"return_url": return_url, "refresh_url": refresh_url}
    return _either(lambda: _linked_v2(account_id, places), lambda: _linked_v1(account_id, places))


def read_account(account_id: str) -> AccountFacts:
    """What Stripe says about an account now; Refused when we have no access to it any more."""
    return _either(lambda: _read_v2(account_id), lambda: facts_of_v1(_retrieved_v1(account_id)))


def _either(by_v2: Callable[[], T], by_v1: Callable[[], T], *, making: bool = False) -> T:
    """By version 2, else by version 1, whose word is the last; what `making` refuses is only made in version 1 when it is blocked."""
    try:
        return by_v2()
    except Refused as error:
        if making and error.code != BLOCKED:
            raise
    return by_v1()


def _created_v2(key: str, *, country: str, email: str, metadata: dict[str, str]) -> str:
    transfers = {"stripe_balance": {"stripe_transfers": {"requested": True}}}
    wanted = {
        "contact_email": email,
        "dashboard": "express",
        "identity": {"country": country},
        "configuration": {"recipient": {"capabilities": transfers}},
        "defaults": {
            "responsibilities": {"fees_collector": "application", "losses_collector": "application"}
        },
        "metadata": metadata,
    }
    of_v2 = f"{key}_v2"  # a key belongs to one request, and version 1 may be asked the same with its own
    with understood():
        return str(services().v2.core.accounts.create(wanted, {"idempotency_key": of_v2}).id)


def _created_v1(key: str, *, country: str, email: str, metadata: dict[str, str]) -> str:
    wanted = {
        "type": "express",
        "country": country,
        "email": email,
        "capabilities": {"transfers": {"requested": True}},
        "metadata": metadata,
    }
    with understood():
        return str(services().v1.accounts.create(wanted, {"idempotency_key": key}).id)


def _linked_v2(account_id: str, places: dict[str, str]) -> str:
    use = {"type": "account_onboarding", "account_onboarding": places}
    with understood():
        return str(services().v2.core.account_links.create({"account": account_id, "use_case": use}).url)


def _linked_v1(account_id: str, places: dict[str, str]) -> str:
    wanted = {"account": account_id, "type": "account_onboarding", **places}
    with understood():
        return str(services().v1.account_links.create(wanted).url)


def _read_v2(account_id: str) -> AccountFacts:
    """Of what it is paid to, version 2 does not tell the fingerprints: version 1 is asked for those."""
    wanted = {"include": [RECIPIENT, "identity", "requirements"]}
    with understood():
        account = services().v2.core.accounts.retrieve(account_id, wanted).to_dict()
    return facts_of_v2(account, _retrieved_v1(account_id))


def _retrieved_v1(account_id: str) -> Body:
    with understood():
        return dict(services().v1.accounts.retrieve(account_id).to_dict())


def facts_of_v1(account: Body) -> AccountFacts:
    """The facts in an account of version 1."""
    requirements = account.get("requirements") or {}
    return AccountFacts(
        account_id=account["id"],
        country=account.get("country") or "",
        transfers=(account.get("capabilities") or {}).get("transfers") or "",
        payouts_enabled=bool(account.get("payouts_enabled")),
        details_submitted=bool(account.get("details_submitted")),
        disabled_reason=requirements.get("disabled_reason") or "",
        due=tuple(requirements.get("currently_due") or ()),
        fingerprints=_fingerprints(account.get("external_accounts") or {}),
    )


def facts_of_v2(account: Body, as_v1: Body) -> AccountFacts:
    """The facts in an account of version 2, with what only version 1 says of it.

    It has submitted its details when nothing of the first onboarding is asked of its owner any more. It is disabled when its
    transfers are restricted for good, or something is past due.
    """
    recipient = (account.get("configuration") or {}).get("recipient") or {}
    of_balance = (recipient.get("capabilities") or {}).get("stripe_balance") or {}
    transfers, paid_out = of_balance.get("stripe_transfers") or {}, of_balance.get("payouts") or {}
    asked = [each for each in _entries(account) if each.get("awaiting_action_from") == "user"]
    plain = facts_of_v1(as_v1)
    enabled = paid_out["status"] == "active" if paid_out else plain.payouts_enabled
    return AccountFacts(
        account_id=account["id"],
        country=((account.get("identity") or {}).get("country") or "").upper() or plain.country,
        transfers=_capability(transfers),
        payouts_enabled=enabled,
        details_submitted=plain.details_submitted and not any(_is_first(each) for each in asked),
        disabled_reason=_disabled(transfers, asked) or plain.disabled_reason,
        due=tuple(str(each["description"]) for each in asked if _deadline(each) != "eventually_due"),
        fingerprints=plain.fingerprints,
    )


def _entries(account: Body) -> Iterable[Body]:
    return (account.get("requirements") or {}).get("entries") or ()


def _capability(said: Body) -> str:
    """In version 1's words."""
    status = said.get("status") or ""
    return "inactive" if status in {"restricted", "rejected", "unsupported"} else str(status)


def _deadline(entry: Body) -> str:
    return str((entry.get("minimum_deadline") or {}).get("status") or "")


def _is_first(entry: Body) -> bool:
    reasons = {each.get("code") for each in entry.get("requested_reasons") or ()}
    return "routine_onboarding" in reasons and _deadline(entry) != "eventually_due"


def _disabled(transfers: Body, asked: Iterable[Body]) -> str:
    if any(_deadline(each) == "past_due" for each in asked):
        return "requirements.past_due"
    if transfers.get("status") in {"rejected", "unsupported"}:
        return str((transfers.get("status_details") or [{}])[0].get("code") or transfers["status"])
    return ""


def _fingerprints(listed: dict[str, Any]) -> tuple[str, ...]:
    paid_to = listed.get("data") or ()
    return tuple(str(each["fingerprint"]) for each in paid_to if each.get("fingerprint"))
