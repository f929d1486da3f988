"""Accounts at Stripe by version 2 or version 1: the same facts, one account, whatever goes wrong on the way."""

import pytest

from rewards.stripe import stripe_accounts
from rewards.stripe.stripe_accounts import AccountFacts, facts_of_v2
from rewards.stripe.stripe_gateway import Body, Refused, Unsure
from tests.rewards.local_stripe import LocalStripe


@pytest.fixture(params=[True, False], ids=["v2", "v1"], autouse=True)
def has_v2(request: pytest.FixtureRequest, stripe: LocalStripe) -> bool:
    """Whether the platform has Accounts v2."""
    stripe.order("platform", accounts_v2=request.param)
    return bool(request.param)


def created(key: str = "account_1", country: str = "DE") -> str:
    return stripe_accounts.create_account(
        key, country=country, email="ana@example.org", metadata={"account": "1"}
    )


def link_of(account_id: str) -> str:
    return stripe_accounts.onboarding_link(
        account_id, return_url="http://spokes.test/return", refresh_url="http://spokes.test/again"
    )


def test_the_facts_are_the_same_on_every_step(stripe: LocalStripe) -> None:
    account_id = created()
    fresh = stripe_accounts.read_account(account_id)
    assert (fresh.country, fresh.transfers, fresh.payouts_enabled, fresh.details_submitted) == (
        "DE", "inactive", False, False,
    )  # fmt: skip
    assert (fresh.disabled_reason, "external_account" in fresh.due) == ("requirements.past_due", True)
    stripe.order(f"accounts/{account_id}/onboard", last4="6789")
    done = stripe_accounts.read_account(account_id)
    assert len(done.fingerprints) == 1
    assert done == AccountFacts(account_id, "DE", "active", True, True, "", (), done.fingerprints)
    stripe.order(f"accounts/{account_id}", transfers="inactive", payouts_enabled=False)
    shut = stripe_accounts.read_account(account_id)
    assert (shut.transfers, shut.payouts_enabled) == ("inactive", False)


def test_a_lost_answer_makes_no_second_account(stripe: LocalStripe, *, has_v2: bool) -> None:
    stripe.fault("drop_after_commit", path="/v2/core/accounts" if has_v2 else "/v1/accounts", times=5)
    with pytest.raises(Unsure):
        created()
    stripe.clear_faults()
    assert created() == created()
    assert len(stripe.read("accounts")["data"]) == 1


def test_a_link_leads_to_the_hosted_page(stripe: LocalStripe) -> None:
    assert link_of(created()).startswith(f"{stripe.url}/onboarding/")


def test_what_stripe_refuses_is_refused() -> None:
    with pytest.raises(Refused):
        created(country="XX")
    for asked in (stripe_accounts.read_account, link_of):
        with pytest.raises(Refused):
            asked("acct_nobodys")


def test_an_account_of_version_1_is_read_when_the_platform_gets_version_2(stripe: LocalStripe) -> None:
    stripe.order("platform", accounts_v2=False)
    account_id = created()
    stripe.order("platform", accounts_v2=True)
    assert stripe_accounts.read_account(account_id).transfers == "inactive"
    assert link_of(account_id)


def account(status: str, *entries: Body, paid_out: str | None = "active") -> Body:
    """An account of version 2 whose transfers stand so."""
    of_balance: Body = {
        "stripe_transfers": {"status": status, "status_details": [{"code": "rejected_fraud"}]}
    }
    if paid_out:
        of_balance["payouts"] = {"status": paid_out, "status_details": []}
    recipient = {"applied": True, "capabilities": {"stripe_balance": of_balance}}
    return {
        "id": "acct_1", "identity": {"country": "de"}, "configuration": {"recipient": recipient},
        "requirements": {"entries": list(entries)},
    }  # fmt: skip


def entry(deadline: str, reason: str = "routine_onboarding", by: str = "user") -> Body:
    return {
        "awaiting_action_from": by, "description": "individual.dob", "minimum_deadline": {"status": deadline},
        "requested_reasons": [{"code": reason}],
    }  # fmt: skip


AS_V1: Body = {"id": "acct_1", "details_submitted": True, "payouts_enabled": True}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (account("active"), ("active", True, True, "", ())),
        (account("pending"), ("pending", True, True, "", ())),
        (account("restricted", paid_out="restricted"), ("inactive", False, True, "", ())),
        (account("active", paid_out=None), ("active", True, True, "", ())),
        (account("rejected"), ("inactive", True, True, "rejected_fraud", ())),
        (account("active", entry("past_due")), ("active", True, False, "requirements.past_due", ("individual.dob",))),
        (account("active", entry("currently_due", "routine_verification")), ("active", True, True, "", ("individual.dob",))),
        (account("active", entry("eventually_due")), ("active", True, True, "", ())),
        (account("active", entry("currently_due", by="stripe")), ("active", True, True, "", ())),
    ],
)  # fmt: skip
def test_version_2_is_put_into_version_1s_words(said: Body, expected: tuple[object, ...]) -> None:
    facts = facts_of_v2(said, AS_V1)
    assert facts.country == "DE"
    found = (
        facts.transfers,
        facts.payouts_enabled,
        facts.details_submitted,
        facts.disabled_reason,
        facts.due,
    )
    assert found == expected
