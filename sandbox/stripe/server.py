"""Serving the local Stripe on a port, in this process; `python -m sandbox.stripe` does it in one of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flask import Flask
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from sandbox.stripe import webhooks
from sandbox.stripe.app import create_app
from sandbox.stripe.box import Box, Delivery
from sandbox.stripe.call import Call
from sandbox.stripe.payouts import pay_out_everything

HOST = "127.0.0.1"
POLL_S = 0.02


class QuietHandler(WSGIRequestHandler):
    """Writes no line per request, and lets go of connections that stay silent."""

    timeout = 3.0

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing; `/_sandbox/requests` has it all."""


@dataclass(frozen=True)
class RunningStripe:
    """A local Stripe that answers at `url`; `box` is its inside."""

    url: str
    box: Box


def listen(app: Flask, port: int) -> ThreadedWSGIServer:
    """A threaded server on this port (0: a free one), not yet serving; closing it waits for open requests."""
    server = ThreadedWSGIServer(HOST, port, app, handler=QuietHandler)
    server.daemon_threads = False
    return server


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
    server = listen(app, port)
    threads = [threading.Thread(target=server.serve_forever, args=(POLL_S,), daemon=True)]
    if payout_every_s > 0:
        threads.append(
            threading.Thread(target=_pay_out_until_stopped, args=(box, payout_every_s), daemon=True)
        )
    for thread in threads:
        thread.start()
    threads.append(webhooks.start(box))
    try:
        yield RunningStripe(f"http://{HOST}:{server.port}", box)
    finally:
        box.stopping.set()
        box.wake.set()
        server.shutdown()
        for thread in threads:
            thread.join()
        server.server_close()  # waits for the requests under way
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
