"""A sender as a process of its own: `python tests/faults/payout_clock.py DATABASE STRIPE` until it is killed."""

import sys
import time
from datetime import timedelta

from core import db
from core.settings import Settings, configure
from rewards import payout_outcomes, payout_sender, payouts


def main(database: str, stripe_base: str) -> None:
    """Look for due payouts again and again, with short leases and pauses: tests do not wait for minutes."""
    payout_sender.LEASE = timedelta(seconds=2)
    payout_sender.PACE_PER_S = 50
    payout_outcomes.PAUSES = (timedelta(seconds=0.2),)
    secret = "a-secret-for-tests-of-32-characters!"
    configure(Settings(database_url=database, stripe_api_base=stripe_base, secret_key=secret))
    db.connect(database)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        payouts.send_due()
        time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
