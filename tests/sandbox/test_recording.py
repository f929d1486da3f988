"""What the local Stripe answers is written down once a kind, and what the contract does not know is found in it."""

import json
from pathlib import Path

import pytest
import stripe

from sandbox.stripe import recording
from sandbox.stripe.server import RunningStripe
from tests.sandbox.conftest import MakeAccount
from tests.sandbox.recorded import problems
from tests.sandbox.test_stripe_contract import needs_contract


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's answers go."""
    monkeypatch.setenv(recording.FOLDER, str(tmp_path))
    monkeypatch.setattr(recording, "_known", set())
    return tmp_path


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for file in folder.glob("*.jsonl") for line in file.read_text().splitlines()]


def test_an_answer_is_written_down_once_a_kind(
    folder: Path, stripe_client: stripe.StripeClient, local_stripe: RunningStripe, make_account: MakeAccount
) -> None:
    account = make_account()
    for _again in range(3):
        stripe_client.v1.accounts.retrieve(account)
    kinds = [(each["method"], each["path"]) for each in lines(folder)]
    assert kinds.count(("GET", f"/v1/accounts/{account}")) == 1
    assert ("EVENT", "account.updated") in kinds
    with pytest.raises(stripe.InvalidRequestError):
        stripe_client.v1.transfers.retrieve("tr_none")
    assert [each["status"] for each in lines(folder)][-1] == 404
    assert problems(folder) == []


@needs_contract
def test_what_the_contract_does_not_know_is_found(folder: Path) -> None:
    link = {"object": "account_link", "created": 1, "expires_at": "soon", "url": "https://x.test"}
    recording.note("POST", "/v1/account_links", "/v1/account_links", sent={}, status=200, body=link)
    recording.note("GET", "/v1/unheard", "/v1/unheard", sent={}, status=200, body={})
    found = problems(folder)
    assert len(found) == 2
    assert "expires_at" in found[1]
    assert "/v1/unheard is not in the contract" in found[0]
