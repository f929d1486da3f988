import json
import time

import pytest
import stripe

from sandbox.stripe.server import RunningStripe
from tests.sandbox.conftest import MakeAccount
from tests.sandbox.receiver import Receiver
from tests.sandbox.web import web

SECRET = "whsec_platform"


@pytest.fixture
def hooked(local_stripe: RunningStripe, receiver: Receiver) -> RunningStripe:
    configure(local_stripe, platform={"url": f"{receiver.url}/stripe", "secret": SECRET}, retry_s=0.05)
    return local_stripe


def configure(local_stripe: RunningStripe, **order: object) -> None:
    web.post(f"{local_stripe.url}/_sandbox/webhooks", json=order).raise_for_status()


def emit(local_stripe: RunningStripe, kind: str, about: dict[str, object]) -> None:
    order = {"type": kind, "data": {"object": about}}
    web.post(f"{local_stripe.url}/_sandbox/events", json=order).raise_for_status()


def settle(local_stripe: RunningStripe, state: str) -> list[dict[str, object]]:
    deadline = time.monotonic() + 5
    while True:
        made: list[dict[str, object]] = web.get(f"{local_stripe.url}/_sandbox/webhooks").json()["deliveries"]
        if made and all(one["state"] == state for one in made):
            return made
        assert time.monotonic() < deadline, made
        time.sleep(0.02)


def test_the_sdk_accepts_the_signature(
    stripe_client: stripe.StripeClient, make_account: MakeAccount, hooked: RunningStripe, receiver: Receiver
) -> None:
    transfer = stripe_client.v1.transfers.create(
        {"amount": 5, "currency": "eur", "destination": make_account()}, {"idempotency_key": "po_7"}
    )
    posted = receiver.wait_for(1)[0]
    event = stripe.Webhook.construct_event(posted.body, posted.headers["Stripe-Signature"], SECRET)
    assert (event.type, event.data.object["id"]) == ("transfer.created", transfer.id)
    assert event.request
    assert event.request["idempotency_key"] == "po_7"
    assert stripe_client.v1.events.retrieve(event.id).type == "transfer.created"


@pytest.mark.parametrize(("secret", "change"), [("whsec_other", b""), (SECRET, b" ")])
def test_the_sdk_refuses_another_secret_and_a_changed_body(
    hooked: RunningStripe, receiver: Receiver, secret: str, change: bytes
) -> None:
    emit(hooked, "balance.available", {"object": "balance"})
    posted = receiver.wait_for(1)[0]
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(posted.body + change, posted.headers["Stripe-Signature"], secret)


def test_an_old_signature_is_refused(hooked: RunningStripe, receiver: Receiver) -> None:
    configure(hooked, skew_s=-301)
    emit(hooked, "balance.available", {"object": "balance"})
    posted = receiver.wait_for(1)[0]
    with pytest.raises(stripe.SignatureVerificationError, match="tolerance"):
        stripe.Webhook.construct_event(posted.body, posted.headers["Stripe-Signature"], SECRET)


def test_a_signature_is_by_the_clock_that_was_moved(hooked: RunningStripe, receiver: Receiver) -> None:
    ahead_s = 40 * 24 * 3600
    web.post(f"{hooked.url}/_sandbox/clock", json={"offset_s": ahead_s}).raise_for_status()
    emit(hooked, "balance.available", {"object": "balance"})
    posted = receiver.wait_for(1)[0]
    signed_at = int(posted.headers["Stripe-Signature"].partition(",")[0].removeprefix("t="))
    assert signed_at == pytest.approx(time.time() + ahead_s, abs=60)
    assert posted.json["created"] <= signed_at


def test_a_failing_endpoint_is_tried_again_with_the_same_event(
    hooked: RunningStripe, receiver: Receiver
) -> None:
    receiver.answers = [500, 503]
    emit(hooked, "checkout.session.completed", {"object": "checkout.session", "id": "cs_1"})
    posted = receiver.wait_for(3)
    assert len({one.json["id"] for one in posted}) == 1
    (delivery,) = settle(hooked, "delivered")
    assert (delivery["attempts"], delivery["last_status"]) == (3, 201)


def test_an_unreachable_endpoint_is_given_up_in_the_end(
    stripe_client: stripe.StripeClient, local_stripe: RunningStripe
) -> None:
    configure(
        local_stripe, platform={"url": "http://127.0.0.1:9/none", "secret": "s"}, retry_s=0.01, max_attempts=3
    )
    emit(local_stripe, "balance.available", {"object": "balance"})
    (delivery,) = settle(local_stripe, "given_up")
    assert (delivery["attempts"], delivery["last_status"]) == (3, 0)
    assert stripe_client.v1.events.list().data[0].pending_webhooks == 0


def test_events_can_arrive_twice_and_in_the_wrong_order(hooked: RunningStripe, receiver: Receiver) -> None:
    configure(hooked, paused=True, copies=2)
    for number in (1, 2):
        emit(hooked, "checkout.session.completed", {"object": "checkout.session", "id": f"cs_{number}"})
    time.sleep(0.1)
    assert receiver.posted == []
    configure(hooked, paused=False, newest_first=True)
    posted = receiver.wait_for(4)
    assert [one.json["data"]["object"]["id"] for one in posted] == ["cs_2", "cs_2", "cs_1", "cs_1"]


def test_events_can_arrive_late(hooked: RunningStripe, receiver: Receiver) -> None:
    configure(hooked, delay_s=0.3)
    emit(hooked, "balance.available", {"object": "balance"})
    time.sleep(0.1)
    assert receiver.posted == []
    receiver.wait_for(1)


def test_platform_and_connect_events_go_to_their_own_endpoints(
    stripe_client: stripe.StripeClient, make_account: MakeAccount, hooked: RunningStripe, receiver: Receiver
) -> None:
    configure(hooked, connect={"url": f"{receiver.url}/connect", "secret": "whsec_c"})
    account = make_account()
    stripe_client.v1.transfers.create({"amount": 5, "currency": "eur", "destination": account})
    web.post(f"{hooked.url}/_sandbox/accounts/{account}/payout", json={}).raise_for_status()
    seen = [(one.path, one.json["type"], one.json.get("account")) for one in receiver.wait_for(4)]
    assert seen == [
        ("/connect", "account.updated", account),
        ("/stripe", "transfer.created", None),
        ("/connect", "payout.created", account),
        ("/connect", "payout.paid", account),
    ]


def test_a_refused_request_emits_nothing(
    stripe_client: stripe.StripeClient, make_account: MakeAccount, hooked: RunningStripe, receiver: Receiver
) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        stripe_client.v1.transfers.create(
            {"amount": 10**12 - 1, "currency": "eur", "destination": make_account()}
        )
    assert stripe_client.v1.events.list().data == []


@pytest.mark.parametrize("order", [b"", b"[]", b"nonsense", json.dumps({"type": "x", "data": {}}).encode()])
def test_senseless_events_are_refused(local_stripe: RunningStripe, order: bytes) -> None:
    assert web.post(f"{local_stripe.url}/_sandbox/events", content=order).status_code in {400, 422}
