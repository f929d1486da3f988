"""Money is paid once: whatever is killed, lost or doubled while payouts are sent.

The clock is the very process that bin/serve starts, with all its jobs. Lost answers meet the sender's job alone, with
short leases and pauses: there are many of them, and nobody waits for minutes.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from core.clock import travel
from core.db import session, transaction
from core.settings import CLOCK_FILE, Settings
from rewards.ledger import ledger, proof
from rewards.payouts import payout_sender
from rewards.payouts.runs import Payout
from supervisor import children
from tests.conftest import ON_POSTGRESQL
from tests.factories import Cast, make_advocate
from tests.rewards.conftest import stripe, stripe_process
from tests.rewards.local_stripe import LocalStripe
from tests.rewards.stories import approved, percent_rule, reserved_payouts, stripe_account

__all__ = ["stripe", "stripe_process"]
pytestmark = pytest.mark.long
ROOT = Path(__file__).parent.parent.parent
PAYOUTS = 8
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
def running(*words: str, settings: Settings, stripe: LocalStripe) -> Iterator[subprocess.Popen[bytes]]:
    """A process over this test's database and Stripe; killed, not stopped, at the end."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": settings.database,
        "DATA_DIR": str(settings.data_dir),
        "SECRET_KEY": settings.secret_key,
        "STRIPE_API_BASE": stripe.url,
    }
    process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def clock(settings: Settings, stripe: LocalStripe) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """The clock as bin/serve starts it."""
    child = next(each for each in children(settings) if each.name == "clock")
    return running(*child.words, settings=settings, stripe=stripe)


def sender(settings: Settings, stripe: LocalStripe) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Only the sender's job, again and again."""
    script = str(ROOT / "tests/faults/payout_sender_alone.py")
    return running(sys.executable, script, settings=settings, stripe=stripe)


def after_the_lease(settings: Settings, stripe: LocalStripe) -> None:
    """Let what a killed clock had claimed become free: everybody moves ahead in time."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    ahead = travel(settings.data_dir / CLOCK_FILE, (2 * payout_sender.LEASE) / timedelta(days=1))
    stripe.order("clock", offset_s=int(ahead.total_seconds()))


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


def test_a_clock_killed_in_the_middle_of_a_run_pays_everybody_once_after_its_restart(
    due: list[str], settings: Settings, stripe: LocalStripe
) -> None:
    with clock(settings, stripe):
        until(lambda: stripe.calls("POST", "/v1/transfers") >= PAYOUTS // 3)
    assert not all_sent()
    after_the_lease(settings, stripe)
    with clock(settings, stripe):
        until(all_sent)
    exactly_once(due, stripe)


@pytest.mark.skipif(
    ON_POSTGRESQL, reason="every boundary of a call is killed there in test_payout_every_kill"
)
def test_a_clock_killed_while_stripe_is_answering_pays_once(
    due: list[str], settings: Settings, stripe: LocalStripe
) -> None:
    stripe.fault("slow_commit", times=2, seconds=1.0)
    for _ in range(2):
        before = stripe.calls("POST", "/v1/transfers")
        with clock(settings, stripe):
            until(lambda: stripe.calls("POST", "/v1/transfers") > before)  # noqa: B023 - read at once
        after_the_lease(settings, stripe)
    with clock(settings, stripe):
        until(all_sent)
    exactly_once(due, stripe)


def test_two_clocks_at_once_pay_everybody_once(
    due: list[str], settings: Settings, stripe: LocalStripe
) -> None:
    with clock(settings, stripe), clock(settings, stripe):
        until(all_sent)
    exactly_once(due, stripe)


@pytest.mark.parametrize("kind", ["hang_after_commit"])
def test_lost_answers_pay_everybody_once(
    due: list[str], settings: Settings, stripe: LocalStripe, kind: str
) -> None:
    stripe.fault(kind, times=5, seconds=0.3)
    with sender(settings, stripe), sender(settings, stripe):
        until(all_sent)
    exactly_once(due, stripe)
