"""A million steps of the payout machine (tests/faults/test_payout_machine.py), another story every time; hours, not minutes."""

import time

import pytest

from bench.figures import Goal, say_alone
from bench.installation import installation
from core.db import transaction
from core.settings import configure
from reactions import wire
from rewards.payouts import payout_sender
from rewards.stripe import stripe_gateway
from tests.factories import make_cast
from tests.faults.test_payout_machine import PayoutMachine, tell
from tests.rewards.stories import percent_rule
from tests.sandbox.here import StripeHere


def measure(*, quick: bool) -> bool:
    """On SQLite; whatever is paid twice, lost or unclear for ever ends it with the steps that led there."""
    steps, here_is = (2_000, StripeHere()) if quick else (1_000_000, StripeHere())
    with installation("sqlite", 0) as here, pytest.MonkeyPatch.context() as patched:
        configure(here.settings.model_copy(update={"stripe_payouts_per_s": 1_000}))
        patched.setattr(stripe_gateway, "_client", here_is.client)
        patched.setattr(payout_sender, "SENDERS", 1)
        wire()
        with transaction():
            cast = make_cast()
            percent_rule(cast.programme)
        began = time.perf_counter()
        tell(cast, here_is, steps, always_the_same=False)
    per_s = PayoutMachine.steps / (time.perf_counter() - began)
    print(
        f"{PayoutMachine.steps:,} steps of the payout machine, {per_s:,.0f}/s: nothing paid twice, nothing lost"
    )
    return say_alone("payouts paid twice or lost", "", [0], Goal(0, at_most=True))
