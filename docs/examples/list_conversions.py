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
        order, advocate, link, reason = map(
            harmless, (each.external_id, each.advocate, each.link, each.reason)
        )
        amount = [each.amount_minor, each.currency]
        rows.writerow([each.occurred_at.isoformat(), order, each.kind, *amount, advocate, link, reason])


def harmless(text: str | None) -> str:
    """A cell: led by an apostrophe where a spreadsheet would take it for a formula."""
    return f"'{text}" if text and text.lstrip()[:1] in {*"=+-@＝＋－＠"} else text or ""


if __name__ == "__main__":
    main()
