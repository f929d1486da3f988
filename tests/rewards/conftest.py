"""A local Stripe for the tests of money, one process for all, emptied before each."""

from collections.abc import Iterator

import pytest

from core.settings import Settings, configure
from tests.rewards.local_stripe import LocalStripe, serving


@pytest.fixture(scope="session")
def stripe_process() -> Iterator[LocalStripe]:
    """The process."""
    with serving() as served:
        yield served


@pytest.fixture
def stripe(stripe_process: LocalStripe, settings: Settings) -> LocalStripe:
    """The local Stripe, empty and without faults; the settings lead to it, and nobody waits for the pace."""
    stripe_process.order("reset")
    stripe_process.order("clock", offset_s=0)
    configure(
        settings.model_copy(update={"stripe_api_base": stripe_process.url, "stripe_payouts_per_s": 1_000})
    )
    return stripe_process
