"""Whoever calls Stripe may fall asleep in the call and wake up hours later: nothing is paid twice by it (ADR 25)."""

from typing import Any

import pytest

from core.db import session, transaction
from rewards.payouts import payout_decisions
from rewards.payouts.payout_decisions import NotSettled
from rewards.payouts.runs import Payout
from rewards.stripe import stripe_gateway
from tests.factories import Cast, acting
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.payouts.sending import (
    attempts_of,
    clean,
    foreign_transfer,
    reverse,
    send,
    state_of,
)


class Asleep(BaseException):
    """Whoever calls falls asleep in the call, or is killed: which of the two nobody knows."""


def fall_asleep(monkeypatch: pytest.MonkeyPatch, **when: float) -> None:
    """A sender falls asleep with its request in hand."""

    def sleeps(*_given: object, **_named: object) -> None:
        raise Asleep

    with monkeypatch.context() as patched:
        patched.setattr(stripe_gateway, "send_transfer", sleeps)
        with pytest.raises(Asleep):
            send(**when)


def wake_up(payout_id: str) -> None:
    """The request that was in hand goes out."""
    with transaction(read_only=True):
        payout = session().get_one(Payout, payout_id)
    first = attempts_of(payout_id)[0]
    stripe_gateway.send_transfer(
        first.key, amount=first.amount_minor, currency=first.currency, destination=first.destination,
        group=payout.group, payout_id=payout.id,
    )  # fmt: skip


@pytest.mark.parametrize("wakes", [True, False])
def test_no_new_key_while_somebody_may_be_asleep_with_the_old_one(
    payout_id: str, stripe: LocalStripe, monkeypatch: pytest.MonkeyPatch, *, wakes: bool
) -> None:
    fall_asleep(monkeypatch)
    fall_asleep(monkeypatch, hours=19.5)
    assert send(hours=20.5) == 0
    assert state_of(payout_id) == "ambiguous"
    if wakes:
        wake_up(payout_id)
    assert send(hours=24.6) == 1
    outcomes = [(each.number, each.outcome) for each in attempts_of(payout_id)]
    assert outcomes == ([(1, "sent")] if wakes else [(1, "absent"), (2, "sent")])
    assert len(stripe.transfers()) == 1
    assert clean() == []


@pytest.mark.parametrize("wakes", [True, False])
def test_a_no_is_not_believed_while_somebody_may_be_asleep_with_the_same_request(
    payout_id: str, stripe: LocalStripe, monkeypatch: pytest.MonkeyPatch, *, wakes: bool
) -> None:
    fall_asleep(monkeypatch)
    stripe.fault("refuse", times=1, code="transfers_not_allowed", remembered=False)
    assert send(minutes=2) == 0
    assert (state_of(payout_id), [each.outcome for each in attempts_of(payout_id)]) == ("ambiguous", ["open"])
    if wakes:
        wake_up(payout_id)
        assert send(hours=1) == 1
        assert len(stripe.transfers()) == 1
    else:
        stripe.fault("refuse", times=1, code="transfers_not_allowed", remembered=False)
        assert send(hours=5) == 0
        assert [each.outcome for each in attempts_of(payout_id)] == ["refused"]
        assert stripe.transfers() == []
    assert clean() == []


def goes_on_once_awake(cast: Cast, payout_id: str, stripe: LocalStripe, foreign: str) -> None:
    """Beside another's transfer the attempt stays open while its caller may wake up, and does: it is paid once."""
    assert (state_of(payout_id), [each.outcome for each in attempts_of(payout_id)]) == ("held", ["open"])
    reverse(stripe, foreign)
    with pytest.raises(NotSettled), transaction():
        payout_decisions.take_back(payout_decisions.get_payout(payout_id), by=acting(cast.finance))
    wake_up(payout_id)
    assert send(hours=25) == 1
    assert sorted(each["amount"] for each in stripe.transfers()) == [99, 1_290]
    assert clean() == []


def test_a_transfer_of_another_amount_closes_no_attempt_whose_caller_may_be_asleep(
    cast: Cast, payout_id: str, stripe: LocalStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    fall_asleep(monkeypatch)
    fall_asleep(monkeypatch, hours=19.5)
    foreign = foreign_transfer(payout_id)
    assert send(hours=20.5) == 0
    goes_on_once_awake(cast, payout_id, stripe, foreign)


def test_nor_does_a_no_that_comes_while_it_is_made(
    cast: Cast, payout_id: str, stripe: LocalStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    fall_asleep(monkeypatch)
    made: list[str] = []
    really = stripe_gateway.send_transfer

    def meanwhile(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - as the gateway has them
        monkeypatch.setattr(stripe_gateway, "send_transfer", really)
        made.append(foreign_transfer(payout_id))
        stripe.fault("refuse", times=1, code="transfers_not_allowed", remembered=False)
        return really(*given, **named)

    monkeypatch.setattr(stripe_gateway, "send_transfer", meanwhile)
    assert send(minutes=2) == 0
    goes_on_once_awake(cast, payout_id, stripe, made[0])
