import re
from collections.abc import Iterator

import httpx
import pytest
import stripe

from sandbox.stripe.server import RunningStripe
from tests.sandbox.conftest import MakeAccount
from tests.sandbox.receiver import Receiver

LINKS = {"refresh_url": "http://spokes.test/again", "return_url": "http://spokes.test/back"}


@pytest.fixture
def browser(local_stripe: RunningStripe) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=local_stripe.url) as made:
        yield made


def open_onboarding(client: stripe.StripeClient, browser: httpx.Client, account: str) -> httpx.Response:
    link = client.v1.account_links.create({"account": account, "type": "account_onboarding", **LINKS})  # type: ignore[typeddict-item]  # a spread literal
    return browser.get(link.url, follow_redirects=True)


def test_new_account_can_receive_nothing_until_onboarding_is_done(
    stripe_client: stripe.StripeClient, make_account: MakeAccount
) -> None:
    account = stripe_client.v1.accounts.retrieve(make_account(onboarded=False))
    assert account.capabilities
    assert account.capabilities.transfers == "inactive"
    assert (account.payouts_enabled, account.details_submitted) == (False, False)
    assert account.requirements
    assert account.requirements.currently_due
    assert account.requirements.disabled_reason == "requirements.past_due"
    assert account.default_currency == "eur"


def test_finishing_the_onboarding_page_activates_the_account_and_returns(
    stripe_client: stripe.StripeClient, make_account: MakeAccount, browser: httpx.Client
) -> None:
    account = make_account(onboarded=False)
    page = open_onboarding(stripe_client, browser, account)
    assert "Local Stripe — test onboarding" in page.text
    done = browser.post(str(page.url), data={"holder": "Ana Lima", "last4": "6789", "then": "finish"})
    assert (done.status_code, done.headers["Location"]) == (303, LINKS["return_url"])
    body = stripe_client.v1.accounts.retrieve(account)
    assert body.capabilities
    assert body.capabilities.transfers == "active"
    assert (body.payouts_enabled, body.details_submitted) == (True, True)
    assert body.requirements
    assert body.requirements.currently_due == []
    assert body.external_accounts
    assert body.external_accounts.data[0].last4 == "6789"


def test_leaving_for_later_returns_with_nothing_changed(
    stripe_client: stripe.StripeClient, make_account: MakeAccount, browser: httpx.Client
) -> None:
    account = make_account(onboarded=False)
    page = open_onboarding(stripe_client, browser, account)
    left = browser.post(str(page.url), data={"holder": "Ana Lima", "last4": "6789", "then": "later"})
    assert left.headers["Location"] == LINKS["return_url"]
    assert stripe_client.v1.accounts.retrieve(account).payouts_enabled is False


def test_a_mistake_on_the_page_is_named_beside_its_field(
    stripe_client: stripe.StripeClient, make_account: MakeAccount, browser: httpx.Client
) -> None:
    page = open_onboarding(stripe_client, browser, make_account(onboarded=False))
    again = browser.post(str(page.url), data={"holder": " ", "last4": "67<9", "then": "finish"})
    assert again.status_code == 422
    assert 'id="holder-error"' in again.text
    assert 'id="last4-error"' in again.text
    assert "67&lt;9" in again.text


def test_an_account_link_works_once_and_for_five_minutes(
    stripe_client: stripe.StripeClient,
    make_account: MakeAccount,
    browser: httpx.Client,
    local_stripe: RunningStripe,
) -> None:
    account = make_account(onboarded=False)
    create = stripe_client.v1.account_links.create
    link = create({"account": account, "type": "account_onboarding", **LINKS})  # type: ignore[typeddict-item]  # a spread literal
    assert link.expires_at - link.created == 300
    browser.head(link.url)
    assert browser.get(link.url).headers["Location"].startswith("/onboarding/session/")
    assert browser.get(link.url).headers["Location"] == LINKS["refresh_url"]
    stale = create({"account": account, "type": "account_onboarding", **LINKS})  # type: ignore[typeddict-item]  # a spread literal
    browser.post("/_sandbox/clock", json={"offset_s": 301})
    assert browser.get(stale.url).headers["Location"] == LINKS["refresh_url"]
    assert browser.get(f"{local_stripe.url}/onboarding/unknown").status_code == 404


def test_pages_carry_a_strict_policy_and_no_inline_script_or_style(
    stripe_client: stripe.StripeClient, make_account: MakeAccount, browser: httpx.Client
) -> None:
    page = open_onboarding(stripe_client, browser, make_account(onboarded=False))
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert not re.search(r"<script|<style|style=|\son\w+=", page.text)
    assert browser.get("/static/sandbox.css").status_code == 200


def test_onboarding_tells_the_connect_endpoint(
    stripe_client: stripe.StripeClient, make_account: MakeAccount, browser: httpx.Client, receiver: Receiver
) -> None:
    endpoint = {"url": f"{receiver.url}/connect", "secret": "whsec_c"}
    browser.post("/_sandbox/webhooks", json={"connect": endpoint}).raise_for_status()
    account = make_account()
    posted = receiver.wait_for(1)[0]
    assert (posted.path, posted.json["type"], posted.json["account"]) == (
        "/connect",
        "account.updated",
        account,
    )
    assert posted.json["data"]["previous_attributes"]["payouts_enabled"] is False


def test_login_link_shows_the_owner_balance_and_payouts(
    stripe_client: stripe.StripeClient, make_account: MakeAccount, browser: httpx.Client
) -> None:
    account = make_account()
    stripe_client.v1.transfers.create({"amount": 700, "currency": "eur", "destination": account})
    browser.post(f"/_sandbox/accounts/{account}/payout", json={"amount": 300}).raise_for_status()
    page = browser.get(stripe_client.v1.accounts.login_links.create(account).url)
    assert "400 minor units" in page.text
    assert "paid" in page.text
    with pytest.raises(stripe.InvalidRequestError):
        stripe_client.v1.accounts.login_links.create(make_account(onboarded=False))


def test_restricting_an_account_stops_transfers_to_it(
    stripe_client: stripe.StripeClient, make_account: MakeAccount, browser: httpx.Client
) -> None:
    account = make_account()
    browser.post(
        f"/_sandbox/accounts/{account}",
        json={"transfers": "inactive", "payouts_enabled": False, "disabled_reason": "rejected.fraud"},
    ).raise_for_status()
    body = stripe_client.v1.accounts.retrieve(account)
    assert body.requirements
    assert body.requirements.disabled_reason == "rejected.fraud"
    with pytest.raises(stripe.InvalidRequestError, match="transfers capability"):
        stripe_client.v1.transfers.create({"amount": 1, "currency": "eur", "destination": account})


def test_an_account_that_withdraws_consent_is_out_of_reach(
    stripe_client: stripe.StripeClient, make_account: MakeAccount, browser: httpx.Client
) -> None:
    account = make_account()
    browser.post(f"/_sandbox/accounts/{account}/deauthorize").raise_for_status()
    with pytest.raises(stripe.PermissionError) as gone:
        stripe_client.v1.accounts.retrieve(account)
    assert gone.value.error
    assert gone.value.error.code == "account_invalid"
    with pytest.raises(stripe.PermissionError):
        stripe_client.v1.balance.retrieve(options={"stripe_account": account})


def test_metadata_is_merged_and_an_empty_value_removes_its_key(
    stripe_client: stripe.StripeClient, make_account: MakeAccount
) -> None:
    account = make_account()
    update = stripe_client.v1.accounts.update
    assert update(account, {"metadata": {"unit": "north", "advocate": ""}}).to_dict()["metadata"] == {
        "unit": "north"
    }
    assert update(account, {"metadata": ""}).to_dict()["metadata"] == {}


def test_an_account_with_money_is_not_deleted(
    stripe_client: stripe.StripeClient, make_account: MakeAccount
) -> None:
    account = make_account()
    transfer = stripe_client.v1.transfers.create({"amount": 1, "currency": "eur", "destination": account})
    with pytest.raises(stripe.InvalidRequestError):
        stripe_client.v1.accounts.delete(account)
    stripe_client.v1.transfers.reversals.create(transfer.id)
    assert stripe_client.v1.accounts.delete(account).deleted is True


@pytest.mark.parametrize(
    ("sent", "param"),
    [
        ({"type": "golden"}, "type"),
        ({"country": "ZZ"}, "country"),
        ({"email": "nobody"}, "email"),
        ({"business_type": "club"}, "business_type"),
        ({"capabilities": {"transfers": {"requested": "maybe"}}}, "requested"),
        ({"individual": {"first_name": "Ana"}}, "individual"),
        ({"metadata": {"k" * 41: "v"}}, f"metadata[{'k' * 40}]"),
        (
            {"settings": {"payouts": {"schedule": {"interval": "hourly"}}}},
            "settings[payouts][schedule][interval]",
        ),
    ],
)
def test_account_refuses(stripe_client: stripe.StripeClient, sent: dict[str, object], param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.raw_request("post", "/v1/accounts", **sent)
    assert refused.value.param == param
    assert refused.value.http_status == 400
