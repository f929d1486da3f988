"""Payouts on their way to a real local Stripe: the clock sends, people look, decide and interfere."""

from datetime import datetime, timedelta

import httpx
from sqlmodel import select

from core.clock import at, now
from core.db import session, transaction
from rewards.ledger import proof
from rewards.payouts import payout_decisions, payouts
from rewards.payouts.runs import Payout, PayoutAttempt
from rewards.stripe import stripe_gateway
from tests.factories import Cast, acting
from tests.rewards.local_stripe import LocalStripe


def soon(*, hours: float = 0, minutes: float = 0) -> datetime:
    return now() + timedelta(hours=hours, minutes=minutes, seconds=2)


def state_of(payout_id: str) -> str:
    with transaction():
        return session().get_one(Payout, payout_id).state


def attempts_of(payout_id: str) -> list[PayoutAttempt]:
    with transaction():
        wanted = select(PayoutAttempt).where(PayoutAttempt.payout_id == payout_id)
        return list(session().exec(wanted.order_by(PayoutAttempt.key)).all())


def clean() -> list[str]:
    with transaction():
        return proof.problems()


def send(*, hours: float = 0, minutes: float = 0) -> int:
    with at(soon(hours=hours, minutes=minutes)):
        return payouts.send_due()


def foreign_transfer(payout_id: str) -> str:
    with transaction():
        payout = session().get_one(Payout, payout_id)
    return stripe_gateway.send_transfer(
        "by somebody",
        amount=99,
        currency="EUR",
        destination=payout.destination,
        group=payout.group,
        payout_id=payout_id,
    ).transfer_id


def retry(cast: Cast, payout_id: str) -> None:
    with transaction():
        payout_decisions.retry(payout_decisions.get_payout(payout_id), by=acting(cast.finance))


def reverse(stripe: LocalStripe, transfer_id: str) -> None:
    """Somebody takes the transfer back at Stripe."""
    answer = httpx.post(
        f"{stripe.url}/v1/transfers/{transfer_id}/reversals",
        headers={"Authorization": "Bearer sk_test_local"},
        trust_env=False,
    )
    assert answer.is_success
