"""The sender's job as a process of its own, over the settings of its environment, until it is killed."""

import time
from datetime import timedelta

from core import db
from core.settings import Settings, configure
from rewards.payouts import payout_outcomes, payout_sender, payouts


def main() -> None:
    """Look for due payouts again and again, with short leases and pauses: tests do not wait for minutes."""
    payout_sender.LEASE = timedelta(seconds=2)
    payout_outcomes.PAUSES = (timedelta(seconds=0.2),)
    db.connect(configure(Settings(stripe_payouts_per_s=50)).database)
    while True:
        payouts.send_due()
        time.sleep(0.05)


if __name__ == "__main__":
    main()
