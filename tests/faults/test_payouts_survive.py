"""Money is paid once: whatever is killed, lost or doubled while payouts are sent."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlmodel import select

from core.db import session, transaction
from core.settings import Settings
from rewards import ledger, proof
from rewards.runs import Payout
from tests.factories import Cast, make_advocate
from tests.rewards.conftest import stripe, stripe_process
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stories import approved, percent_rule, reserved_payouts, stripe_account

__all__ = ["stripe", "stripe_process"]
ROOT = Path(__file__).parent.parent.parent
PAYOUTS = 12
WITHIN_S = 60


@pytest.fixture
def due(cast: Cast, stripe: LocalStripe) -> list[str]:
    """Payouts that are ready to be sent."""
    with transaction():
        percent_rule(cast.programme)
        members = [make_advocate(cast.programme, f"Advocate {n}") for n in range(PAYOUTS)]
    for each in members:
        stripe_account(each, stripe)
        approved(each, cast.manager)
    return reserved_payouts(cast.programme, cast.finance)


@contextmanager
def sender(database: str, stripe: LocalStripe) -> Iterator[subprocess.Popen[str]]:
    """A running sender; killed, not stopped, at the end."""
    command = [sys.executable, str(ROOT / "tests/faults/payout_clock.py"), database, stripe.url]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def until(reached: Callable[[], bool]) -> None:
    give_up = time.monotonic() + WITHIN_S
    while not reached():
        assert time.monotonic() < give_up, "not reached in time"
        time.sleep(0.02)


def all_sent() -> bool:
    with transaction(read_only=True):
        return {each.state for each in session().exec(select(Payout))} == {"sent"}


def exactly_once(due: list[str], stripe: LocalStripe) -> None:
    made = Counter(each["metadata"]["payout"] for each in stripe.transfers())
    assert made == dict.fromkeys(due, 1)
    with transaction():
        assert ledger.balance(ledger.STRIPE, "EUR") == PAYOUTS * 1_290
        assert proof.problems() == []


@pytest.mark.parametrize("after", [1, 4, 9])
def test_a_sender_killed_in_the_middle_of_a_run_pays_everybody_once_after_its_restart(
    due: list[str], settings: Settings, stripe: LocalStripe, after: int
) -> None:
    with sender(settings.database, stripe):
        until(lambda: stripe.calls("POST", "/v1/transfers") >= after)
    assert not all_sent()
    with sender(settings.database, stripe):
        until(all_sent)
    exactly_once(due, stripe)


def test_a_sender_killed_while_stripe_is_answering_pays_once(
    due: list[str], settings: Settings, stripe: LocalStripe
) -> None:
    stripe.fault("slow_commit", times=2, seconds=1.0)
    for _ in range(2):
        before = stripe.calls("POST", "/v1/transfers")
        with sender(settings.database, stripe):
            until(lambda: stripe.calls("POST", "/v1/transfers") > before)  # noqa: B023 - read at once
    with sender(settings.database, stripe):
        until(all_sent)
    exactly_once(due, stripe)


def test_two_senders_at_once_pay_everybody_once(
    due: list[str], settings: Settings, stripe: LocalStripe
) -> None:
    with sender(settings.database, stripe), sender(settings.database, stripe):
        until(all_sent)
    exactly_once(due, stripe)


@pytest.mark.parametrize(
    "kind", ["error_500_after_commit", "drop_after_commit", "hang_after_commit", "bad_json"]
)
def test_lost_answers_pay_everybody_once(
    due: list[str], settings: Settings, stripe: LocalStripe, kind: str
) -> None:
    stripe.fault(kind, times=5, seconds=0.3)
    with sender(settings.database, stripe), sender(settings.database, stripe):
        until(all_sent)
    exactly_once(due, stripe)
