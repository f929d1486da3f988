import json
from typing import Any

import pytest
import stripe

from sandbox.stripe.accounts_v2 import INCLUDES
from sandbox.stripe.server import RunningStripe
from tests.sandbox.conftest import MakeAccount
from tests.sandbox.contract import CURRENT, PUBLISHED, Json, RecordingClient, load
from tests.sandbox.web import web

needs_contract = pytest.mark.skipif(
    not CURRENT.exists(), reason="Stripe's contract (shared/data/stripe) is not here"
)
needs_published = pytest.mark.skipif(not PUBLISHED.exists(), reason="Stripe's 2023 contract is not here")

# What SOURCES.md names as unchanged since Stripe's own published text of 2023.
UNCHANGED = ("account_link", "balance", "capability", "event", "login_link", "transfer", "transfer_reversal")


def use_everything(client: stripe.StripeClient, url: str, account: str) -> None:
    v1 = client.v1
    transfer = v1.transfers.create(
        {"amount": 500, "currency": "eur", "destination": account, "transfer_group": "g", "description": "d",
         "metadata": {"payout": "1"}, "expand": ["destination"]}
    )  # fmt: skip
    reversal = v1.transfers.reversals.create(transfer.id, {"amount": 100, "metadata": {"why": "refund"}})
    v1.transfers.update(transfer.id, {"description": "e", "metadata": {"payout": "2"}})
    v1.transfers.retrieve(transfer.id)
    v1.transfers.list({"transfer_group": "g", "destination": account, "created": {"gte": 1}, "limit": 3})
    v1.transfers.reversals.list(transfer.id, {"limit": 2})
    v1.transfers.reversals.retrieve(transfer.id, reversal.id)
    v1.accounts.update(
        account,
        {
            "business_profile": {"url": "https://ana.example"},
            "settings": {"payouts": {"schedule": {"interval": "manual"}}},
        },
    )
    v1.accounts.retrieve(account)
    v1.accounts.list({"limit": 1})
    v1.accounts.capabilities.list(account)
    v1.accounts.capabilities.retrieve(account, "transfers")
    v1.accounts.login_links.create(account)
    v1.account_links.create(
        {
            "account": account,
            "type": "account_onboarding",
            "refresh_url": "http://s.test/a",
            "return_url": "http://s.test/b",
        }
    )
    v1.accounts.create(
        {"controller": {"stripe_dashboard": {"type": "express"}, "fees": {"payer": "application"},
                        "losses": {"payments": "application"}, "requirement_collection": "stripe"}, "country": "FR"}
    )  # fmt: skip
    v2_account = client.v2.core.accounts.create(
        {"contact_email": "ana@example.org", "dashboard": "express", "identity": {"country": "de"},
         "configuration": {"recipient": {"capabilities": {"stripe_balance": {"stripe_transfers": {"requested": True}}}}},
         "defaults": {"responsibilities": {"fees_collector": "application", "losses_collector": "application"}},
         "metadata": {"advocate": "1"}, "include": ["configuration.recipient", "defaults", "requirements"]}
    ).id  # fmt: skip
    everything: Any = {"include": list(INCLUDES)}
    client.v2.core.accounts.retrieve(v2_account, everything)
    places = {"refresh_url": "http://s.test/a", "return_url": "http://s.test/b"}
    use: Any = {
        "type": "account_onboarding",
        "account_onboarding": places,
    }
    client.v2.core.account_links.create({"account": v2_account, "use_case": use})
    web.post(f"{url}/_sandbox/accounts/{v2_account}/onboard").raise_for_status()
    client.v2.core.accounts.retrieve(v2_account, everything)
    v1.accounts.retrieve(v2_account)
    v1.balance.retrieve()
    v1.balance.retrieve(options={"stripe_account": account})
    v1.payouts.create({"amount": 50, "currency": "eur"}, options={"stripe_account": account})
    failed = web.post(
        f"{url}/_sandbox/accounts/{account}/payout", json={"amount": 10, "outcome": "failed"}
    ).json()
    web.post(f"{url}/_sandbox/accounts/{account}/payout", json={"outcome": "paid"}).raise_for_status()
    v1.payouts.retrieve(failed["id"], options={"stripe_account": account})
    v1.payouts.list({"status": "paid"}, options={"stripe_account": account})
    moved = v1.balance_transactions.list({"type": "transfer"}).data[0]
    v1.balance_transactions.retrieve(moved.id)
    v1.events.list({"limit": 100})
    found = v1.events.list(
        {"types": ["account.updated", "payout.failed"]}, options={"stripe_account": account}
    )
    v1.events.retrieve(found.data[0].id, options={"stripe_account": account})
    v1.accounts.delete(v1.accounts.create({"type": "express", "country": "US"}).id)


def entries(body: Json) -> list[Json]:
    found: list[Json] = body["data"] if body["object"] == "list" else [body]
    return found


@needs_contract
def test_every_answer_fits_the_contract_of_the_current_sdk(
    stripe_client: stripe.StripeClient,
    local_stripe: RunningStripe,
    make_account: MakeAccount,
    wire: RecordingClient,
) -> None:
    use_everything(stripe_client, local_stripe.url, make_account())
    contract = load(CURRENT)
    assert len(wire.exchanges) > 25
    assert [
        (one.method, one.path, contract.check(one)) for one in wire.exchanges if contract.check(one)
    ] == []


@needs_contract
def test_objects_inside_events_fit_the_contract_too(
    stripe_client: stripe.StripeClient,
    local_stripe: RunningStripe,
    make_account: MakeAccount,
    wire: RecordingClient,
) -> None:
    use_everything(stripe_client, local_stripe.url, make_account())
    contract = load(CURRENT)
    rows = local_stripe.box.store.rows(
        "SELECT json_extract(body, '$.data.object') AS about FROM objects WHERE kind = 'event'"
    )
    assert len(rows) >= 6
    for row in rows:
        about = json.loads(row["about"])
        assert contract.problems(contract.schema_of(about["object"]), about) == []


@needs_published
def test_objects_unchanged_since_2023_fit_the_published_contract(
    stripe_client: stripe.StripeClient,
    local_stripe: RunningStripe,
    make_account: MakeAccount,
    wire: RecordingClient,
) -> None:
    use_everything(stripe_client, local_stripe.url, make_account())
    published = load(PUBLISHED)
    bodies = [entry for one in wire.exchanges for entry in entries(one.body)]
    checked = {body["object"]: body for body in bodies if body["object"] in UNCHANGED}
    assert set(checked) == set(UNCHANGED)
    for name, body in checked.items():
        assert (name, published.problems(f"#/components/schemas/{name}", body)) == (name, [])


@needs_contract
def test_the_check_itself_sees_a_wrong_type_an_unknown_field_and_a_missing_one() -> None:
    contract = load(CURRENT)
    link = {"object": "account_link", "created": 1, "expires_at": 2, "url": "https://x.test"}
    reference = contract.schema_of("account_link")
    assert contract.problems(reference, link) == []
    assert contract.problems(reference, link | {"created": "1"})
    assert contract.problems(reference, link | {"surprise": 1})
    assert contract.problems(reference, {"object": "account_link"})
