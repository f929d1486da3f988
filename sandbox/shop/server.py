"""Serving the shop on a port, in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.serving import serving
from sandbox.shop.app import NO_STRIPE, create_app
from sandbox.shop.payments import Stripe
from sandbox.shop.reports import Spokes


@contextmanager
def running(
    spokes: Spokes,
    state: str | Path = ":memory:",
    *,
    port: int = 0,
    stripe: Stripe = NO_STRIPE,
    webhook_secret: Path | None = None,
) -> Iterator[str]:
    """Serve in the background until the block ends; the answer is the address."""
    app = create_app(str(state), spokes, stripe)
    app.extensions["ear"].secret_file = webhook_secret
    try:
        with serving(app, port) as url:
            yield url
    finally:
        app.extensions["orders"].close()
