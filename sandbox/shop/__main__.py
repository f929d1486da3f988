"""`python -m sandbox.shop --port 8013 --spokes-url http://127.0.0.1:8000 --api-key-file …` serves the shop."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from sandbox.shop import clock
from sandbox.shop.payments import Stripe
from sandbox.shop.reports import Spokes
from sandbox.shop.server import running


def arguments(argv: list[str]) -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.shop", description="A small shop for tests and demos."
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--spokes-url", required=True, help="e.g. http://127.0.0.1:8000")
    parser.add_argument(
        "--state", default=":memory:", help="SQLite file; default: forget everything at the end"
    )
    parser.add_argument(
        "--clock-ahead-file", type=Path, help="how many seconds ahead the clock is, as a file says"
    )
    parser.add_argument(
        "--webhook-secret-file", type=Path, help="what signs Spokes' webhooks; may come later"
    )
    parser.add_argument("--stripe-url", default="", help="where orders can be paid, e.g. the local Stripe")
    key = parser.add_mutually_exclusive_group(required=True)
    key.add_argument("--api-key", default="", help="a key with the scope conversions:write")
    key.add_argument("--api-key-file", type=Path, help="a file with the key; it may be written later")
    return parser.parse_args(argv)


def main(argv: list[str]) -> None:
    """Serve until SIGINT or SIGTERM."""
    asked, stop = arguments(argv), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    if asked.clock_ahead_file:
        clock.follow(asked.clock_ahead_file)
    spokes = Spokes(asked.spokes_url, asked.api_key, asked.api_key_file)
    stripe, secret = Stripe(asked.stripe_url), asked.webhook_secret_file
    with running(spokes, asked.state, port=asked.port, stripe=stripe, webhook_secret=secret) as url:
        sys.stdout.write(f"Shop on {url}\n")
        sys.stdout.flush()
        stop.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
