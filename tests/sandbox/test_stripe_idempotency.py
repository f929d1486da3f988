from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import stripe

from sandbox.stripe.server import RunningStripe
from tests.sandbox.conftest import KEY, MakeAccount
from tests.sandbox.web import web


def control(local_stripe: RunningStripe, path: str, **order: object) -> None:
    web.post(f"{local_stripe.url}/_sandbox/{path}", json=order).raise_for_status()


def transfers(client: stripe.StripeClient) -> int:
    return len(client.v1.transfers.list({"limit": 100}).data)


def test_the_same_key_and_content_replay_the_first_answer(
    stripe_client: stripe.StripeClient, make_account: MakeAccount
) -> None:
    account = make_account()
    answers = [
        stripe_client.raw_request(
            "post", "/v1/transfers", amount=5, currency="eur", destination=account, idempotency_key="po_1_a1"
        )
        for _ in range(3)
    ]
    assert len({answer.body for answer in answers}) == 1
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [None, "true", "true"]
    assert answers[1].headers["Original-Request"] == answers[0].headers["Request-Id"]
    assert transfers(stripe_client) == 1


def test_the_same_key_with_other_content_is_refused(
    stripe_client: stripe.StripeClient, make_account: MakeAccount
) -> None:
    account, create = make_account(), stripe_client.v1.transfers.create
    create({"amount": 5, "currency": "eur", "destination": account}, {"idempotency_key": "k"})
    with pytest.raises(stripe.IdempotencyError) as refused:
        create({"amount": 6, "currency": "eur", "destination": account}, {"idempotency_key": "k"})
    assert refused.value.http_status == 400
    assert transfers(stripe_client) == 1


def test_a_refusal_from_execution_is_replayed_for_a_day_and_then_forgotten(
    stripe_client: stripe.StripeClient, make_account: MakeAccount, local_stripe: RunningStripe
) -> None:
    account, create = make_account(), stripe_client.v1.transfers.create
    control(local_stripe, "balance", currency="eur", amount=0)

    def pay() -> stripe.Transfer:
        return create({"amount": 5, "currency": "eur", "destination": account}, {"idempotency_key": "k"})

    with pytest.raises(stripe.InvalidRequestError):
        pay()
    control(local_stripe, "balance", currency="eur", amount=1000)
    control(local_stripe, "clock", offset_s=24 * 3600 - 60)
    with pytest.raises(stripe.InvalidRequestError) as poisoned:
        pay()
    assert poisoned.value.code == "balance_insufficient"
    assert poisoned.value.headers
    assert poisoned.value.headers["Idempotent-Replayed"] == "true"
    control(local_stripe, "clock", offset_s=24 * 3600 + 1)
    assert pay().amount == 5


def test_a_refusal_before_execution_leaves_the_key_fresh(
    stripe_client: stripe.StripeClient, make_account: MakeAccount, local_stripe: RunningStripe
) -> None:
    account = make_account()
    with pytest.raises(stripe.InvalidRequestError):
        stripe_client.raw_request(
            "post", "/v1/transfers", currency="eur", destination=account, idempotency_key="k"
        )
    control(local_stripe, "faults", match={"path": "/v1/transfers"}, kind="rate_limit_429")
    pay = {"amount": 5, "currency": "eur", "destination": account}
    with pytest.raises(stripe.RateLimitError):
        stripe_client.raw_request("post", "/v1/transfers", **pay, idempotency_key="k")
    stripe_client.raw_request("post", "/v1/transfers", **pay, idempotency_key="k")
    assert transfers(stripe_client) == 1


def test_a_key_in_use_is_a_conflict_until_the_first_request_is_done(
    stripe_client: stripe.StripeClient, make_account: MakeAccount, local_stripe: RunningStripe
) -> None:
    account = make_account()
    control(local_stripe, "faults", match={"path": "/v1/transfers"}, kind="slow_commit", seconds=0.5)

    def pay() -> httpx.Response:
        sent = {"amount": "5", "currency": "eur", "destination": account}
        return web.post(
            f"{local_stripe.url}/v1/transfers", data=sent, auth=(KEY, ""), headers={"Idempotency-Key": "k"}
        )

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: pay(), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    conflict = next(answer for answer in answers if answer.status_code == 409)
    assert conflict.json()["error"]["code"] == "idempotency_key_in_use"
    assert pay().headers["Idempotent-Replayed"] == "true"
    assert transfers(stripe_client) == 1


def test_the_sdk_reports_a_key_in_use_as_a_plain_api_error(
    stripe_client: stripe.StripeClient, local_stripe: RunningStripe, make_account: MakeAccount
) -> None:
    account = make_account()
    store = local_stripe.box.store
    stripe_client.v1.transfers.create(
        {"amount": 5, "currency": "eur", "destination": account}, {"idempotency_key": "k"}
    )
    store.run("UPDATE idempotency_keys SET status = NULL, body = NULL WHERE key = 'k'")
    with pytest.raises(stripe.APIError) as busy:
        stripe_client.v1.transfers.create(
            {"amount": 5, "currency": "eur", "destination": account}, {"idempotency_key": "k"}
        )
    assert busy.value.http_status == 409
    assert busy.value.error
    assert busy.value.error.code == "idempotency_key_in_use"


def test_keys_of_different_accounts_do_not_meet(
    stripe_client: stripe.StripeClient, make_account: MakeAccount
) -> None:
    ana, ben = make_account(), make_account()
    for account in (ana, ben):
        stripe_client.v1.transfers.create({"amount": 500, "currency": "eur", "destination": account})
        stripe_client.v1.payouts.create(
            {"amount": 100, "currency": "eur"}, {"stripe_account": account, "idempotency_key": "same"}
        )
    assert len(stripe_client.v1.payouts.list(options={"stripe_account": ben}).data) == 1


def test_many_concurrent_transfers_lose_and_invent_nothing(
    stripe_client: stripe.StripeClient, make_account: MakeAccount, local_stripe: RunningStripe
) -> None:
    account = make_account()
    control(local_stripe, "balance", currency="eur", amount=50)

    def pay(number: int) -> int:
        sent = {"amount": "1", "currency": "eur", "destination": account}
        headers = {"Idempotency-Key": f"k{number % 64}"}
        return web.post(
            f"{local_stripe.url}/v1/transfers", data=sent, auth=(KEY, ""), headers=headers
        ).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(pay, range(128)))
    assert set(statuses) <= {200, 400, 409}
    balance = stripe_client.v1.balance.retrieve(options={"stripe_account": account})
    assert (balance.available[0].amount, transfers(stripe_client)) == (50, 50)
