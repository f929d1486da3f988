"""Serving the local Stripe on a port, in this process; `python -m sandbox.stripe` does it in one of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.serving import serving
from sandbox.stripe import webhooks
from sandbox.stripe.app import create_app
from sandbox.stripe.box import Box, Delivery
from sandbox.stripe.call import Call
from sandbox.stripe.payouts import pay_out_everything


@dataclass(frozen=True)
class RunningStripe:
    """A local Stripe that answers at `url`; `box` is its inside."""

    url: str
    box: Box


@contextmanager
def running(
    state: str | Path = ":memory:",
    *,
    port: int = 0,
    delivery: Delivery | None = None,
    payout_every_s: float = 0,
) -> Iterator[RunningStripe]:
    """Serve in background threads until the block ends; `payout_every_s` > 0 pays accounts out that often."""
    app = create_app(str(state), delivery=delivery)
    box: Box = app.extensions["local_stripe"]
    threads = [webhooks.start(box)]
    if payout_every_s > 0:
        threads.append(
            threading.Thread(target=_pay_out_until_stopped, args=(box, payout_every_s), daemon=True)
        )
        threads[-1].start()
    try:
        with serving(app, port) as url:
            try:
                yield RunningStripe(url, box)
            finally:
                box.stopping.set()  # lets go of requests that a fault holds
                box.wake.set()
    finally:
        box.stopping.set()
        for thread in threads:
            thread.join()
        box.store.close()


def _pay_out_until_stopped(box: Box, every_s: float) -> None:
    while not box.stopping.wait(every_s):
        with box.store.transaction():
            pay_out_everything(
                Call(
                    box=box,
                    method="",
                    path="",
                    params={},
                    owner="",
                    request_id="",
                    idempotency_key=None,
                    host_url="",
                )
            )
