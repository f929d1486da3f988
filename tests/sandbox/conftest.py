"""A local Stripe on a free port and the real SDK in front of it; what goes over the wire is held against Stripe's contract."""

from collections.abc import Callable, Iterator

import pytest
import stripe

from sandbox.stripe.server import RunningStripe, running
from tests.sandbox.contract import CURRENT, RecordingClient, load
from tests.sandbox.receiver import Receiver, receiving

KEY = "sk_test_sandbox"
MakeAccount = Callable[..., str]


@pytest.fixture
def local_stripe() -> Iterator[RunningStripe]:
    """A local Stripe of this test's own: `.url` and its inside, `.box`."""
    with running() as served:
        yield served


@pytest.fixture
def wire() -> Iterator[RecordingClient]:
    """The SDK's HTTP client; at the end everything it exchanged must fit the contract (where that is at hand)."""
    client = RecordingClient()
    yield client
    if CURRENT.exists():
        contract = load(CURRENT)
        found = {(one.method, one.path): contract.check(one) for one in client.exchanges}
        assert {call: problems for call, problems in found.items() if problems} == {}


@pytest.fixture
def stripe_client(local_stripe: RunningStripe, wire: RecordingClient) -> stripe.StripeClient:
    """The real SDK, without retries of its own."""
    return stripe.StripeClient(
        KEY, base_addresses={"api": local_stripe.url}, http_client=wire, max_network_retries=0
    )


@pytest.fixture
def make_account(stripe_client: stripe.StripeClient, local_stripe: RunningStripe) -> MakeAccount:
    """Makes an account that can receive transfers (or not: `onboarded=False`); answers its id."""

    def make(*, onboarded: bool = True, country: str = "DE") -> str:
        account = stripe_client.v1.accounts.create(
            {
                "type": "express",
                "country": country,
                "email": "ana@example.org",
                "capabilities": {"transfers": {"requested": True}},
                "metadata": {"advocate": "1"},
            }
        )
        if onboarded:
            with local_stripe.box.store.transaction():
                from sandbox.stripe.onboarding import finish

                body = local_stripe.box.store.find("account", account.id)
                assert body is not None
                finish(local_stripe.box, body, "Ana Lima", "6789")
        return account.id

    return make


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A small HTTP server that notes what is posted to it and answers as told."""
    with receiving() as made:
        yield made
