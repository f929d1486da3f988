"""Conversions of the last days as CSV: `SPOKES_URL=… SPOKES_KEY=… python list_conversions.py --days 7 > conversions.csv`."""

import argparse
import csv
import os
import sys
from datetime import UTC, datetime, timedelta

from spokes_client import Spokes


def main() -> None:
    """Write a row for each, the newest first."""
    wanted = argparse.ArgumentParser(description="Conversions as CSV.")
    wanted.add_argument("--days", type=int, default=30)
    since = datetime.now(UTC) - timedelta(days=wanted.parse_args().days)
    spokes = Spokes(os.environ["SPOKES_URL"], os.environ["SPOKES_KEY"])
    rows = csv.writer(sys.stdout)
    rows.writerow(["occurred_at", "order", "kind", "amount_minor", "currency", "advocate", "link", "reason"])
    for each in spokes.conversions(since=since):
        whose = [each.advocate or "", each.link or "", each.reason]
        rows.writerow(
            [
                each.occurred_at.isoformat(),
                each.external_id,
                each.kind,
                each.amount_minor,
                each.currency,
                *whose,
            ]
        )


if __name__ == "__main__":
    main()
