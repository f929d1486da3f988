"""`python -m sandbox.stripe --port 8012 --state var/stripe.sqlite …` serves the local Stripe until interrupted."""

import argparse
import signal
import sys
import threading

from sandbox.stripe.box import Delivery, Endpoint
from sandbox.stripe.server import running


def arguments(argv: list[str]) -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.stripe", description="A local Stripe for tests.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--state", default=":memory:", help="SQLite file; default: forget everything at the end"
    )
    parser.add_argument("--webhook-url", help="where the platform's events are posted")
    parser.add_argument("--webhook-secret", default="")
    parser.add_argument("--connect-webhook-url", help="where events of connected accounts are posted")
    parser.add_argument("--connect-webhook-secret", default="")
    parser.add_argument(
        "--payout-every-s", type=float, default=0, help="pay accounts out that often; default: never"
    )
    return parser.parse_args(argv)


def delivery(asked: argparse.Namespace) -> Delivery:
    """The webhook endpoints that were named."""
    named = {
        "platform": (asked.webhook_url, asked.webhook_secret),
        "connect": (asked.connect_webhook_url, asked.connect_webhook_secret),
    }
    return Delivery({name: Endpoint(url, secret) for name, (url, secret) in named.items() if url})


def main(argv: list[str]) -> None:
    """Serve until SIGINT or SIGTERM."""
    asked, stop = arguments(argv), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    with running(
        asked.state, port=asked.port, delivery=delivery(asked), payout_every_s=asked.payout_every_s
    ) as served:
        sys.stdout.write(f"Local Stripe on {served.url}\n")
        sys.stdout.flush()
        stop.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
