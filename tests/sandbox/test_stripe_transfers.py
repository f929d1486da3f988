import pytest
import stripe

from sandbox.stripe.server import RunningStripe
from tests.sandbox.conftest import KEY, MakeAccount
from tests.sandbox.web import web


def available(client: stripe.StripeClient, currency: str, account: str | None = None) -> int:
    balance = client.v1.balance.retrieve(options={"stripe_account": account} if account else {})
    return sum(entry.amount for entry in balance.available if entry.currency == currency)


def test_a_transfer_moves_money_from_the_platform_to_the_account(
    stripe_client: stripe.StripeClient, make_account: MakeAccount
) -> None:
    account, before = make_account(), available(stripe_client, "eur")
    transfer = stripe_client.v1.transfers.create(
        {
            "amount": 4200,
            "currency": "eur",
            "destination": account,
            "transfer_group": "po_1",
            "metadata": {"payout": "po_1"},
        }
    )
    assert (transfer.object, transfer.amount, transfer.destination) == ("transfer", 4200, account)
    assert available(stripe_client, "eur") == before - 4200
    assert available(stripe_client, "eur", account) == 4200
    assert stripe_client.v1.transfers.retrieve(transfer.id).metadata.to_dict() == {"payout": "po_1"}


def test_currencies_are_kept_apart(stripe_client: stripe.StripeClient, make_account: MakeAccount) -> None:
    account = make_account(country="JP")
    stripe_client.v1.transfers.create({"amount": 5, "currency": "JPY", "destination": account})
    assert (available(stripe_client, "jpy", account), available(stripe_client, "eur", account)) == (5, 0)


def test_without_the_capability_nothing_is_transferred(
    stripe_client: stripe.StripeClient, make_account: MakeAccount
) -> None:
    before = available(stripe_client, "eur")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.v1.transfers.create(
            {"amount": 1, "currency": "eur", "destination": make_account(onboarded=False)}
        )
    assert (refused.value.http_status, refused.value.code) == (400, "insufficient_capabilities_for_transfer")
    assert available(stripe_client, "eur") == before


def test_more_than_the_platform_holds_is_refused_whole(
    stripe_client: stripe.StripeClient, make_account: MakeAccount, local_stripe: RunningStripe
) -> None:
    account = make_account()
    web.post(
        f"{local_stripe.url}/_sandbox/balance", json={"currency": "eur", "amount": 100}
    ).raise_for_status()
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.v1.transfers.create({"amount": 101, "currency": "eur", "destination": account})
    assert (refused.value.http_status, refused.value.code) == (400, "balance_insufficient")
    assert stripe_client.v1.transfers.list().data == []
    stripe_client.v1.transfers.create({"amount": 100, "currency": "eur", "destination": account})
    assert available(stripe_client, "eur") == 0


def test_unknown_ids_are_missing_resources(
    stripe_client: stripe.StripeClient, make_account: MakeAccount
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.v1.transfers.create({"amount": 1, "currency": "eur", "destination": "acct_nobody"})
    assert (refused.value.http_status, refused.value.code, refused.value.param) == (
        400,
        "resource_missing",
        "destination",
    )
    with pytest.raises(stripe.InvalidRequestError) as absent:
        stripe_client.v1.transfers.retrieve("tr_nothing")
    assert (absent.value.http_status, absent.value.code) == (404, "resource_missing")


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"amount": 0}, "parameter_invalid_integer", "amount"),
        ({"amount": -5}, "parameter_invalid_integer", "amount"),
        ({"amount": "1.5"}, "parameter_invalid_integer", "amount"),
        ({"amount": "NaN"}, "parameter_invalid_integer", "amount"),
        ({"amount": 10**13}, "amount_too_large", "amount"),
        ({"amount": None}, "parameter_missing", "amount"),
        ({"currency": "zzz"}, None, "currency"),
        ({"currency": None}, "parameter_missing", "currency"),
        ({"destination": None}, "parameter_missing", "destination"),
        ({"destination": "a\0b"}, None, "destination"),
        ({"amout": 5}, "parameter_unknown", "amout"),
        ({"metadata": {"k": "v" * 501}}, None, "metadata[k]"),
        ({"metadata": {str(n) + "k": "v" for n in range(51)}}, None, "metadata"),
        ({"expand": ["reversals"]}, None, "expand"),
    ],
)
def test_transfer_refuses(
    stripe_client: stripe.StripeClient,
    make_account: MakeAccount,
    changes: dict[str, object],
    code: str | None,
    param: str,
) -> None:
    sent = {"amount": 1, "currency": "eur", "destination": make_account()} | changes
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.raw_request("post", "/v1/transfers", **{k: v for k, v in sent.items() if v is not None})
    assert (refused.value.http_status, refused.value.code, refused.value.param) == (400, code, param)


def test_lists_filter_and_page_with_cursors(
    stripe_client: stripe.StripeClient, make_account: MakeAccount
) -> None:
    ana, ben = make_account(), make_account()
    create = stripe_client.v1.transfers.create
    made = [
        create(
            {
                "amount": n,
                "currency": "eur",
                "destination": ana if n % 2 else ben,
                "transfer_group": f"g{n % 3}",
            }
        ).id
        for n in range(1, 8)
    ]
    listed = stripe_client.v1.transfers.list
    assert [one.id for one in listed({"limit": 100}).auto_paging_iter()] == made[::-1]
    assert [one.id for one in listed({"limit": 2}).auto_paging_iter()] == made[::-1]
    page = listed({"limit": 3})
    assert (page.has_more, [one.amount for one in page.data]) == (True, [7, 6, 5])
    older = listed({"limit": 10, "starting_after": page.data[-1].id})
    assert (older.has_more, [one.amount for one in older.data]) == (False, [4, 3, 2, 1])
    newer = listed({"limit": 2, "ending_before": made[2]})
    assert (newer.has_more, [one.amount for one in newer.data]) == (True, [5, 4])
    assert [one.amount for one in listed({"destination": ben}).data] == [6, 4, 2]
    assert [one.amount for one in listed({"transfer_group": "g1", "destination": ana}).data] == [7, 1]
    assert listed({"transfer_group": "none"}).data == []


def test_lists_filter_by_time_of_the_sandbox_clock(
    stripe_client: stripe.StripeClient, make_account: MakeAccount, local_stripe: RunningStripe
) -> None:
    account = make_account()
    create, listed = stripe_client.v1.transfers.create, stripe_client.v1.transfers.list
    first = create({"amount": 1, "currency": "eur", "destination": account})
    web.post(f"{local_stripe.url}/_sandbox/clock", json={"offset_s": 90_000}).raise_for_status()
    second = create({"amount": 2, "currency": "eur", "destination": account})
    assert 89_990 < second.created - first.created < 90_010
    assert [one.amount for one in listed({"created": {"gte": second.created}}).data] == [2]
    assert [one.amount for one in listed({"created": {"gte": first.created, "lt": second.created}}).data] == [
        1
    ]
    assert [one.amount for one in listed({"created": first.created}).data] == [1]
    assert listed({"created": {"gt": second.created}}).data == []


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"starting_after": "tr_no"}, "starting_after"),
        ({"created": {"after": 5}}, "created[after]"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_lists_refuse(stripe_client: stripe.StripeClient, query: dict[str, object], param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.raw_request("get", "/v1/transfers", **query)
    assert (refused.value.http_status, refused.value.param) == (400, param)


def test_partial_reversals_never_exceed_the_transfer(
    stripe_client: stripe.StripeClient, make_account: MakeAccount
) -> None:
    account, before = make_account(), available(stripe_client, "eur")
    transfer = stripe_client.v1.transfers.create({"amount": 1000, "currency": "eur", "destination": account})
    reverse = stripe_client.v1.transfers.reversals.create
    reverse(transfer.id, {"amount": 300})
    with pytest.raises(stripe.InvalidRequestError):
        reverse(transfer.id, {"amount": 701})
    reverse(transfer.id)
    with pytest.raises(stripe.InvalidRequestError):
        reverse(transfer.id)
    done = stripe_client.v1.transfers.retrieve(transfer.id)
    assert (done.amount_reversed, done.reversed, [one.amount for one in done.reversals.data]) == (
        1000,
        True,
        [700, 300],
    )
    assert (available(stripe_client, "eur"), available(stripe_client, "eur", account)) == (before, 0)


def test_money_that_has_left_the_account_cannot_be_reversed(
    stripe_client: stripe.StripeClient, make_account: MakeAccount, local_stripe: RunningStripe
) -> None:
    account = make_account()
    transfer = stripe_client.v1.transfers.create({"amount": 1000, "currency": "eur", "destination": account})
    web.post(f"{local_stripe.url}/_sandbox/accounts/{account}/payout", json={}).raise_for_status()
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.v1.transfers.reversals.create(transfer.id)
    assert refused.value.code == "balance_insufficient"


def test_a_landed_payout_can_fail_days_later(
    stripe_client: stripe.StripeClient, make_account: MakeAccount, local_stripe: RunningStripe
) -> None:
    account, control = make_account(), f"{local_stripe.url}/_sandbox"
    stripe_client.v1.transfers.create({"amount": 1000, "currency": "eur", "destination": account})
    (paid,) = web.post(f"{control}/payouts/run").json()["payouts"]
    assert (paid["status"], available(stripe_client, "eur", account)) == ("paid", 0)
    web.post(
        f"{control}/payouts/{paid['id']}/fail", json={"failure_code": "account_closed"}
    ).raise_for_status()
    assert web.post(f"{control}/payouts/{paid['id']}/fail", json={}).status_code == 400
    failed = stripe_client.v1.payouts.retrieve(paid["id"], options={"stripe_account": account})
    assert (failed.status, failed.failure_code, available(stripe_client, "eur", account)) == (
        "failed",
        "account_closed",
        1000,
    )
    seen = stripe_client.v1.events.list(
        {"types": ["payout.created", "payout.paid", "payout.failed"]}, {"stripe_account": account}
    )
    assert [event.type for event in seen.data] == ["payout.failed", "payout.paid", "payout.created"]


@pytest.mark.parametrize("key", ["", "sk_live_abc", "pk_test_abc", "nonsense"])
def test_only_test_keys_may_call(local_stripe: RunningStripe, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    refused = web.get(f"{local_stripe.url}/v1/balance", headers=headers)
    assert (refused.status_code, refused.json()["error"]["type"]) == (401, "invalid_request_error")


def test_basic_authentication_request_ids_and_unknown_addresses(local_stripe: RunningStripe) -> None:
    answered = web.get(
        f"{local_stripe.url}/v1/balance", auth=(KEY, ""), headers={"Stripe-Version": "2024-06-20"}
    )
    assert (answered.status_code, answered.headers["Stripe-Version"]) == (200, "2024-06-20")
    assert answered.headers["Request-Id"].startswith("req_")
    unknown = web.post(f"{local_stripe.url}/v1/charges", auth=(KEY, ""))
    assert (unknown.status_code, "Unrecognized request URL (POST: /v1/charges)" in unknown.text) == (
        404,
        True,
    )


@pytest.mark.parametrize(
    "body",
    [b"amount[=1", b"[a]=1", b"amount=1&amount[x]=2", b"a" + b"[b]" * 9 + b"=1", b"\xff\xfe=%ff", b"{}"],
)
def test_malformed_bodies_are_refused_not_failed(local_stripe: RunningStripe, body: bytes) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    refused = web.post(f"{local_stripe.url}/v1/transfers", auth=(KEY, ""), content=body, headers=headers)
    assert (refused.status_code, "error" in refused.json()) == (400, True)
