import httpx
import pytest
import stripe

from sandbox.stripe.server import RunningStripe
from tests.sandbox.conftest import KEY, MakeAccount
from tests.sandbox.web import web


class Payer:
    """Pays 5 to one account under one key, with a short patience, while faults are waiting."""

    def __init__(self, stripe_client: stripe.StripeClient, local_stripe: RunningStripe, account: str) -> None:
        self.client, self.url, self.account = stripe_client, local_stripe.url, account

    def order(self, kind: str, **more: object) -> None:
        fault = {"match": {"method": "POST", "path": "/v1/transfers"}, "kind": kind, **more}
        web.post(f"{self.url}/_sandbox/faults", json=fault).raise_for_status()

    def pay(self, timeout_s: float = 5) -> httpx.Response:
        sent = {"amount": "5", "currency": "eur", "destination": self.account}
        headers = {"Idempotency-Key": "po_1_a1"}
        return web.post(
            f"{self.url}/v1/transfers", data=sent, auth=(KEY, ""), headers=headers, timeout=timeout_s
        )

    def done(self) -> int:
        return len(self.client.v1.transfers.list({"destination": self.account}).data)


@pytest.fixture
def payer(
    stripe_client: stripe.StripeClient, local_stripe: RunningStripe, make_account: MakeAccount
) -> Payer:
    return Payer(stripe_client, local_stripe, make_account())


def test_refuse_answers_the_error_asked_for_and_the_key_replays_it(payer: Payer) -> None:
    payer.order("refuse", code="balance_insufficient", message="Out of money.")
    assert [payer.pay().json()["error"]["code"] for _ in range(2)] == ["balance_insufficient"] * 2
    assert payer.done() == 0


def test_hang_before_does_nothing_and_the_key_stays_fresh(payer: Payer) -> None:
    payer.order("hang_before", seconds=0.6)
    with pytest.raises(httpx.ReadTimeout):
        payer.pay(timeout_s=0.2)
    assert payer.done() == 0
    assert payer.pay().status_code == 200
    assert payer.done() == 1


def test_hang_after_commit_has_paid_and_the_key_replays_it(payer: Payer) -> None:
    payer.order("hang_after_commit", seconds=0.6)
    with pytest.raises(httpx.ReadTimeout):
        payer.pay(timeout_s=0.2)
    assert payer.done() == 1
    assert payer.pay().headers["Idempotent-Replayed"] == "true"
    assert payer.done() == 1


def test_a_hang_ends_in_a_closed_connection(payer: Payer) -> None:
    payer.order("hang_after_commit", seconds=0.05)
    with pytest.raises(httpx.RemoteProtocolError):
        payer.pay()


def test_drop_after_commit_has_paid_and_the_key_replays_it(payer: Payer) -> None:
    payer.order("drop_after_commit")
    with pytest.raises(httpx.RemoteProtocolError):
        payer.pay()
    assert payer.pay().status_code == 200
    assert payer.done() == 1


def test_error_500_before_poisons_the_key_unless_told_otherwise(payer: Payer) -> None:
    payer.order("error_500_before")
    assert [payer.pay().status_code for _ in range(2)] == [500, 500]
    assert payer.done() == 0


def test_error_500_before_that_is_not_remembered_can_be_retried(payer: Payer) -> None:
    payer.order("error_500_before", remembered=False)
    assert [payer.pay().status_code for _ in range(2)] == [500, 200]
    assert payer.done() == 1


def test_error_500_after_commit_has_paid_but_says_500_for_ever(payer: Payer) -> None:
    payer.order("error_500_after_commit")
    answers = [payer.pay() for _ in range(2)]
    assert [answer.status_code for answer in answers] == [500, 500]
    assert answers[0].headers["Stripe-Should-Retry"] == "false"
    assert payer.done() == 1


def test_bad_json_has_paid_and_the_key_replays_it_whole(payer: Payer) -> None:
    payer.order("bad_json")
    answer = payer.pay()
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|delimiter"):
        answer.json()
    assert payer.pay().json()["object"] == "transfer"
    assert payer.done() == 1


def test_faults_hit_only_what_they_match_and_as_often_as_ordered(payer: Payer) -> None:
    payer.order("rate_limit_429", times=2)
    payer.client.v1.balance.retrieve()
    payer.client.v1.transfers.list()
    assert len(web.get(f"{payer.url}/_sandbox/faults").json()["faults"]) == 1
    assert [payer.pay().status_code for _ in range(3)] == [429, 429, 200]
    assert web.get(f"{payer.url}/_sandbox/faults").json()["faults"] == []


def test_every_call_is_counted_with_key_status_and_fault(payer: Payer) -> None:
    payer.order("drop_after_commit")
    with pytest.raises(httpx.RemoteProtocolError):
        payer.pay()
    payer.pay()
    seen = web.get(
        f"{payer.url}/_sandbox/requests", params={"method": "POST", "path": "/v1/transfers"}
    ).json()
    assert seen["count"] == 2
    first, second = seen["requests"]
    assert (first["idempotency_key"], first["status"], first["fault"]) == (
        "po_1_a1",
        200,
        "drop_after_commit",
    )
    assert (second["replayed"], second["fault"]) == (True, None)


def test_the_sdk_retries_a_dropped_answer_with_the_same_key_and_pays_once(
    local_stripe: RunningStripe, payer: Payer
) -> None:
    http_client = stripe.RequestsClient(timeout=5)
    patient = stripe.StripeClient(
        KEY, base_addresses={"api": local_stripe.url}, http_client=http_client, max_network_retries=2
    )
    payer.order("drop_after_commit")
    transfer = patient.v1.transfers.create({"amount": 5, "currency": "eur", "destination": payer.account})
    assert transfer.amount == 5
    assert payer.done() == 1


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"kind": "explode"},
        {"kind": "refuse", "times": 0},
        {"kind": "hang_before", "seconds": -1},
        {"kind": "refuse", "x": 1},
    ],
)
def test_senseless_faults_are_refused(local_stripe: RunningStripe, order: dict[str, object]) -> None:
    assert web.post(f"{local_stripe.url}/_sandbox/faults", json=order).status_code == 422


def test_reset_forgets_everything_but_funds_the_platform_again(payer: Payer) -> None:
    payer.pay()
    payer.order("refuse", times=5)
    web.post(f"{payer.url}/_sandbox/clock", json={"offset_s": 3600}).raise_for_status()
    web.post(f"{payer.url}/_sandbox/reset").raise_for_status()
    assert web.get(f"{payer.url}/_sandbox/health").json()["offset_s"] == 0
    assert payer.client.v1.accounts.list().data == []
    assert payer.client.v1.transfers.list().data == []
    assert payer.client.v1.balance.retrieve().available[0].amount == 10_000_000_000
