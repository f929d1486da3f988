"""Payouts on their way to a Stripe that takes 300 ms a call, beside the pace that is allowed."""

import time
from datetime import timedelta

from bench.figures import Goal, say
from bench.installation import installation
from core.clock import at, now
from core.db import transaction
from core.settings import configure
from reactions import wire
from rewards.ledger import proof
from rewards.payouts import payouts
from tests.factories import make_advocate, make_cast
from tests.rewards.local_stripe import LocalStripe, serving
from tests.rewards.stories import approved, percent_rule, reserved_payouts, stripe_account

PACE_PER_S, CALL_S = 10, 0.3


def measure(*, quick: bool) -> bool:
    """SQLite and PostgreSQL; every payout asks Stripe once, as most do."""
    number = 30 if quick else 200
    reached = []
    for database in ("sqlite",) if quick else ("sqlite", "postgresql"):
        with installation(database, 0) as here, serving() as stripe:
            configure(here.settings.model_copy(update={"stripe_api_base": stripe.url}))
            wire()
            _reserve(number, stripe)
            stripe.fault("slow_commit", times=number, seconds=CALL_S)
            rate = _rate(number)
            assert len(stripe.transfers()) == number
            with transaction(read_only=True):
                assert proof.problems() == []
        reached.append(say(f"payouts sent ({database})", "/s", [rate], [float(PACE_PER_S)], Goal(0.8)))
    return all(reached)


def _reserve(number: int, stripe: LocalStripe) -> None:
    with transaction():
        cast = make_cast()
        percent_rule(cast.programme)
        members = [make_advocate(cast.programme, f"Advocate {n}") for n in range(number)]
    for each in members:
        stripe_account(each, stripe)
        approved(each, cast.manager)
    reserved_payouts(cast.programme, cast.finance)


def _rate(number: int) -> float:
    """Sent a second, until all are."""
    began, sent = time.perf_counter(), 0
    with at(now() + timedelta(seconds=2)):
        while sent < number:
            sent += payouts.send_due()
    return number / (time.perf_counter() - began)
