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
from rewards.ledger import ledger, proof
from rewards.payouts import accounts, payout_decisions, payouts
from rewards.payouts.payout_decisions import NoPartBack, NotReversed, ReasonMissing
from rewards.payouts.runs import Payout
from rewards.reward import Reward
from rewards.stripe import stripe_events
from rewards.stripe.stripe_event_rows import StripeEvent
from tests.at_once import at_once
from tests.factories import Cast, acting, make_advocate, sign_in
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stories import approved, payable_advocate, reserved_payouts, stripe_account

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
def sent(cast: Cast, stripe: LocalStripe) -> str:
    """A payout of 12.90 whose transfer was made; answers its id."""
    approved(payable_advocate(cast.programme, stripe), cast.manager)
    (payout_id,) = reserved_payouts(cast.programme, cast.finance)
    with at(now() + timedelta(seconds=2)):
        assert payouts.send_due() == 1
    return payout_id


@pytest.fixture
def came_back(sent: str, client: FlaskClient, stripe: LocalStripe) -> str:
    """It was reversed, which we were told twice."""
    (made,) = stripe.transfers()
    stripe.api(f"transfers/{made['id']}/reversals")
    for event_id in ("evt_1", "evt_2"):
        tell_reversed(client, made["id"], event_id)
    return sent


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


@pytest.fixture
def part_back(sent: str, client: FlaskClient, stripe: LocalStripe) -> str:
    """2.90 of it were reversed, which we were told twice."""
    (made,) = stripe.transfers()
    stripe.api(f"transfers/{made['id']}/reversals", amount="290")
    for event_id in ("evt_1", "evt_2"):
        tell_reversed(client, made["id"], event_id)
    return sent


def books(payout_id: str) -> tuple[str, int, int, int]:
    """The payout's state and amount, what has left through Stripe, what is owed."""
    with transaction(read_only=True):
        assert proof.problems() == []
        payout = session().get_one(Payout, payout_id)
        left, owed = (
            ledger.balance(each, "EUR") for each in (ledger.STRIPE, ledger.payable(payout.membership_id))
        )
        return payout.state, payout.amount_minor, left, owed


def test_a_part_that_came_back_is_owed_again_when_finance_says_so(
    cast: Cast, part_back: str, stripe: LocalStripe
) -> None:
    assert books(part_back) == ("sent", 1_290, 1_290, 0)
    with transaction():
        (asked,) = actions.waiting_for(acting(cast.finance), kind="payout.look").items
        assert asked.subject_id == part_back
        assert asked.summary.startswith("€2.90 of transfer tr_")
        payout = session().get_one(Payout, part_back)
        assert payout.part_back.amount_minor == 290
        with pytest.raises(Forbidden):
            payout_decisions.pay_part_again(payout, by=acting(cast.manager))
        with pytest.raises(NotReversed):
            payout_decisions.pay_again(payout, by=acting(cast.finance))
        payout_decisions.pay_part_again(payout, by=acting(cast.finance))
        with pytest.raises(NoPartBack):
            payout_decisions.pay_part_again(payout, by=acting(cast.finance))
        assert actions.waiting_for(acting(cast.finance), kind="payout.look").items == []
    assert books(part_back) == ("sent", 1_000, 1_000, 290)
    with at(now() + timedelta(minutes=5)):
        (again,) = reserved_payouts(cast.programme, cast.finance)
        assert payouts.send_due() == 0  # it is due a second later
    with at(now() + timedelta(minutes=6)):
        assert payouts.send_due() == 1
    assert books(again) == ("sent", 290, 1_290, 0)
    assert [each["amount"] for each in stripe.transfers()] == [290, 1_290]


def test_of_a_transfer_that_is_reversed_bit_by_bit_everything_is_owed_again_once(
    cast: Cast, part_back: str, client: FlaskClient, stripe: LocalStripe
) -> None:
    (made,) = stripe.transfers()
    for number, amount in enumerate(("100", "50")):
        with transaction():
            payout = session().get_one(Payout, part_back)
            payout_decisions.pay_part_again(payout, by=acting(cast.finance))
        stripe.api(f"transfers/{made['id']}/reversals", amount=amount)
        tell_reversed(client, made["id"], f"evt_bit_{number}")
    assert books(part_back) == ("sent", 900, 900, 390)  # 50 more came back, undecided
    stripe.api(f"transfers/{made['id']}/reversals")
    tell_reversed(client, made["id"], "evt_rest")
    with transaction():
        payout = session().get_one(Payout, part_back)
        with pytest.raises(NoPartBack):
            payout_decisions.pay_part_again(payout, by=acting(cast.finance))
        payout_decisions.pay_again(payout, by=acting(cast.finance))
    assert books(part_back) == ("taken_back", 900, 0, 1_290)


def test_two_who_say_at_once_that_a_part_is_owed_again_say_it_once(cast: Cast, part_back: str) -> None:
    def pay() -> None:
        with transaction():
            payout_decisions.pay_part_again(session().get_one(Payout, part_back), by=acting(cast.finance))

    assert sorted(type(each).__name__ for each in at_once(pay, pay)) == ["NoPartBack", "NoneType"]
    assert books(part_back) == ("sent", 1_000, 1_000, 290)


def test_finance_says_it_on_the_payouts_page(cast: Cast, part_back: str, client: FlaskClient) -> None:
    item, said = f"/console/payouts/items/{part_back}", {"act": "pay_part_again"}
    for who, status in ((cast.other_manager, 404), (cast.manager, 403)):
        assert sign_in(client, who).post(item, data=said).status_code == status
    sign_in(client, cast.finance)
    assert "A part came back: €2.90" in client.get(item).text
    assert client.post(item, data=said).status_code == 303
    assert "A part came back" not in client.get(item).text


@pytest.mark.parametrize(
    "data", [None, [], {"object": None}, {"object": {"id": 5}}, {"object": {"id": "tr_nobodys"}}, "x"]
)
def test_odd_bodies_of_events_are_noted(stripe: LocalStripe, client: FlaskClient, data: object) -> None:
    told = event("transfer.reversed", data=data)
    client.post("/webhooks/stripe", data=told, headers=signed(told))
    assert stripe_events.apply_events() == 1
