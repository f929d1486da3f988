import hashlib
import hmac
import json
import time
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlmodel import select

from core.clock import at, now
from core.db import session, transaction
from core.errors import Forbidden
from core.settings import Settings
from hub import actions
from rewards import accounts, ledger, payout_decisions, payouts, proof, stripe_events
from rewards.payout_decisions import NotReversed, ReasonMissing
from rewards.reward import Reward
from rewards.runs import Payout
from rewards.stripe_events import StripeEvent
from tests.factories import Cast, acting, make_advocate
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stories import approved, percent_rule, reserved_payouts, stripe_account

PLATFORM = "whsec_local_platform"
CONNECT = "whsec_local_connect"


def signed(body: bytes, secret: str = PLATFORM, skew_s: float = 0) -> dict[str, str]:
    sent = int(time.time() + skew_s)
    digest = hmac.new(secret.encode(), f"{sent}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={sent},v1={digest}"}


def event(kind: str = "account.updated", **more: object) -> bytes:
    return json.dumps({"object": "event", "id": "evt_1", "type": kind, "livemode": False, **more}).encode()


def stored() -> list[StripeEvent]:
    with transaction():
        return list(session().exec(select(StripeEvent)).all())


def test_an_event_is_stored_once_however_often_it_comes(settings: Settings, client: FlaskClient) -> None:
    for new in (True, False, False):
        answer = client.post("/webhooks/stripe", data=event(), headers=signed(event()))
        assert (answer.status_code, answer.json) == (200, {"received": True, "new": new})
    other = event(account="acct_1")
    assert client.post("/webhooks/stripe-connect", data=other, headers=signed(other, CONNECT)).get_json()[
        "new"
    ]
    assert len(stored()) == 2


@pytest.mark.parametrize("skew_s", [-301, 301, -(10**6), 10**9])
def test_old_and_future_events_are_refused(settings: Settings, client: FlaskClient, skew_s: float) -> None:
    assert (
        client.post("/webhooks/stripe", data=event(), headers=signed(event(), skew_s=skew_s)).status_code
        == 400
    )
    assert stored() == []


@pytest.mark.parametrize(
    "body",
    [
        b"[]", b"", b"null", b"1", b"{", b"\xff\xfe", b"{}", b'{"object": "event"}',
        b'{"object": "event", "id": 1, "type": "x"}', b'{"object": "event", "id": "", "type": "x"}',
        b'{"object": "event", "id": "' + b"x" * 101 + b'", "type": "x"}', b"[" * 100_000,
        b'{"object": "v2.core.event", "id": "evt_1", "type": "x"}', b'{"object": "event", "id": "a\\u0000", "type": "x"}',
    ],
)  # fmt: skip
def test_signed_nonsense_is_refused_and_never_our_fault(
    settings: Settings, client: FlaskClient, body: bytes
) -> None:
    assert client.post("/webhooks/stripe", data=body, headers=signed(body)).status_code == 400


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=1",
        "v1=abc",
        "t=x,v1=y",
        f"t={'9' * 5000},v1=y",
        "t=1,v1=é",
        "t,v1",
        pytest.param(f"t={int(time.time())},v1=", id="no signature"),
    ],
)
def test_unsigned_and_badly_signed_events_are_refused(
    settings: Settings, client: FlaskClient, header: str
) -> None:
    answer = client.post(
        "/webhooks/stripe", data=event(), headers={"Stripe-Signature": header.encode().decode("latin-1")}
    )
    assert answer.status_code == 400


def test_the_other_doors_secret_does_not_open_this_one(settings: Settings, client: FlaskClient) -> None:
    assert client.post("/webhooks/stripe", data=event(), headers=signed(event(), CONNECT)).status_code == 400


def test_an_account_event_makes_us_read_the_account_not_believe_the_event(
    cast: Cast, stripe: LocalStripe, client: FlaskClient
) -> None:
    with transaction():
        ana = make_advocate(cast.programme)
    stripe_id = stripe_account(ana, stripe)
    stripe.order(f"accounts/{stripe_id}", payouts_enabled=False, disabled_reason="requirements.past_due")
    lie = event(account=stripe_id, data={"object": {"id": stripe_id, "payouts_enabled": True}})
    client.post("/webhooks/stripe-connect", data=lie, headers=signed(lie, CONNECT))
    assert stripe_events.apply_events() == 1
    assert stripe_events.apply_events() == 0
    with transaction():
        account = accounts.find_account(stripe_id)
        assert account is not None
        assert (accounts.standing(account), account.disabled_reason) == (
            "restricted",
            "requirements.past_due",
        )


def test_a_disconnected_account_is_gone(cast: Cast, stripe: LocalStripe, client: FlaskClient) -> None:
    with transaction():
        ana = make_advocate(cast.programme)
    stripe_id = stripe_account(ana, stripe)
    stripe.order(f"accounts/{stripe_id}/deauthorize")
    told = event("account.application.deauthorized", account=stripe_id, data={"object": {"id": "ca_1"}})
    client.post("/webhooks/stripe-connect", data=told, headers=signed(told, CONNECT))
    assert stripe_events.apply_events() == 1
    with transaction():
        assert accounts.standing(accounts.account_of(ana.person_id)) == "gone"


def test_an_event_that_cannot_be_applied_now_is_applied_later(
    cast: Cast, stripe: LocalStripe, client: FlaskClient
) -> None:
    with transaction():
        ana = make_advocate(cast.programme)
    stripe_id = stripe_account(ana, stripe)
    told = event(account=stripe_id)
    client.post("/webhooks/stripe-connect", data=told, headers=signed(told, CONNECT))
    stripe.fault("error_500_before", method="GET", path="/v1/accounts")
    assert stripe_events.apply_events() == 0
    with at(now() + timedelta(minutes=3)):
        assert stripe_events.apply_events() == 1


@pytest.fixture
def came_back(cast: Cast, client: FlaskClient, stripe: LocalStripe) -> str:
    """A payout whose transfer was made and reversed, which we were told twice; answers its id."""
    with transaction():
        percent_rule(cast.programme)
        ana = make_advocate(cast.programme)
    stripe_account(ana, stripe)
    approved(ana, cast.manager)
    (payout_id,) = reserved_payouts(cast.programme, cast.finance)
    with at(now() + timedelta(seconds=2)):
        payouts.send_due()
    (made,) = stripe.transfers()
    stripe.api(f"transfers/{made['id']}/reversals")
    for event_id in ("evt_1", "evt_2"):
        tell_reversed(client, made["id"], event_id)
    return payout_id


def tell_reversed(client: FlaskClient, transfer_id: str, event_id: str) -> None:
    told = event("transfer.reversed", id=event_id, data={"object": {"id": transfer_id}})
    client.post("/webhooks/stripe", data=told, headers=signed(told))
    stripe_events.apply_events()


def test_a_reversed_transfer_is_put_before_finance_once(
    cast: Cast, came_back: str, client: FlaskClient, stripe: LocalStripe
) -> None:
    with transaction():
        (asked,) = actions.waiting_for(acting(cast.finance), kind="payout.look").items
        assert "was reversed at Stripe" in asked.summary
        payout_decisions.pay_again(session().get_one(Payout, came_back), by=acting(cast.finance))
    tell_reversed(client, stripe.transfers()[0]["id"], "evt_3")
    with transaction():
        assert actions.waiting_for(acting(cast.finance), kind="payout.look").items == []
        assert session().get_one(Payout, came_back).state == "taken_back"


def test_a_reversed_payout_is_paid_again_with_the_next_run_when_finance_says_so(
    cast: Cast, came_back: str
) -> None:
    with transaction():
        payout = session().get_one(Payout, came_back)
        assert payout.state == "reversed"
        with pytest.raises(Forbidden):
            payout_decisions.pay_again(payout, by=acting(cast.manager))
        payout_decisions.pay_again(payout, by=acting(cast.finance))
        with pytest.raises(NotReversed):
            payout_decisions.keep(payout, by=acting(cast.finance), reason="again")
        assert proof.problems() == []
        assert actions.waiting_for(acting(cast.finance), kind="payout.look").items == []
    with at(now() + timedelta(minutes=5)):
        (again,) = reserved_payouts(cast.programme, cast.finance)
    with transaction(read_only=True):
        assert session().get_one(Payout, again).amount_minor == 1_290
        assert proof.problems() == []


def test_a_reversed_payout_that_is_kept_takes_its_rewards_back_with_the_reason(
    cast: Cast, came_back: str
) -> None:
    with transaction():
        payout = session().get_one(Payout, came_back)
        with pytest.raises(ReasonMissing):
            payout_decisions.keep(payout, by=acting(cast.finance), reason=" ")
        payout_decisions.keep(payout, by=acting(cast.finance), reason="The shop was a front")
        (line,) = session().exec(select(Reward))
        assert (line.state, line.state_reason) == ("reversed", "The shop was a front")
        assert ledger.balance(ledger.payable(line.membership_id), "EUR") == 0
        assert ledger.balance(ledger.STRIPE, "EUR") == 0
        assert proof.problems() == []


@pytest.mark.parametrize(
    "data", [None, [], {"object": None}, {"object": {"id": 5}}, {"object": {"id": "tr_nobodys"}}, "x"]
)
def test_odd_bodies_of_events_are_noted(stripe: LocalStripe, client: FlaskClient, data: object) -> None:
    told = event("transfer.reversed", data=data)
    client.post("/webhooks/stripe", data=told, headers=signed(told))
    assert stripe_events.apply_events() == 1
