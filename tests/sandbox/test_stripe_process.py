import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import stripe

from tests.sandbox.conftest import KEY
from tests.sandbox.contract import RecordingClient
from tests.sandbox.web import web

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def process(state: Path, port: int = 0, *, end_with: signal.Signals = signal.SIGTERM) -> Iterator[str]:
    """A local Stripe in a process of its own; its address."""
    command = [sys.executable, "-m", "sandbox.stripe", "--port", str(port), "--state", str(state)]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as started:
        try:
            assert started.stdout
            yield started.stdout.readline().rsplit(" ", 1)[1].strip()
        finally:
            started.send_signal(end_with)
            assert started.wait(10) == (0 if end_with is signal.SIGTERM else -end_with)


def test_a_killed_process_starts_again_with_everything_it_had_answered(
    tmp_path: Path, wire: RecordingClient
) -> None:
    state = tmp_path / "stripe.sqlite"

    def connect(url: str) -> stripe.StripeClient:
        return stripe.StripeClient(KEY, base_addresses={"api": url}, http_client=wire)

    with process(state, end_with=signal.SIGKILL) as url:
        client = connect(url)
        account = client.v1.accounts.create(
            {"type": "express", "country": "DE", "capabilities": {"transfers": {"requested": True}}}
        )
        wire.exchanges.clear()
        client.raw_request("get", "/v1/accounts")
        web.post(f"{url}/_sandbox/accounts/{account.id}/onboard", json={}).raise_for_status()
        pay = {"amount": 5, "currency": "eur", "destination": account.id, "idempotency_key": "po_1"}
        first = client.raw_request("post", "/v1/transfers", **pay)
    with process(state) as url:
        again = connect(url).raw_request("post", "/v1/transfers", **pay)
        assert (again.body, again.headers["Idempotent-Replayed"]) == (first.body, "true")
        assert len(connect(url).v1.transfers.list().data) == 1
