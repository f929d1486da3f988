"""Report one sale: `SPOKES_URL=… SPOKES_KEY=… python report_sale.py order-1042 2026-11-02T10:15:00Z 12900 EUR --code ana`.

The moment is the order's own, as the shop keeps it: so the same command may be run again after whatever happened.
"""

import argparse
import os
import sys
from datetime import datetime

from spokes_client import Refused, Spokes


def main() -> int:
    """Report, and say whose it was; 1 when it was refused."""
    wanted = argparse.ArgumentParser(description="Report one sale.")
    wanted.add_argument("order")
    wanted.add_argument("at", type=moment, help="when it was ordered: 2026-11-02T10:15:00Z")
    wanted.add_argument("amount_minor", type=int, help="in minor units: 12900 for €129.00")
    wanted.add_argument("currency")
    wanted.add_argument("--click", help="the token from the cookie or the address")
    wanted.add_argument("--code")
    wanted.add_argument("--coupon")
    given = wanted.parse_args()
    spokes = Spokes(os.environ["SPOKES_URL"], os.environ["SPOKES_KEY"])
    try:
        stored = spokes.report_sale(
            given.order,
            occurred_at=given.at,
            amount_minor=given.amount_minor,
            currency=given.currency,
            click=given.click,
            code=given.code,
            coupon=given.coupon,
        )
    except Refused as refused:
        print(refused, refused.details or "", file=sys.stderr)
        return 1
    print(f"{stored.external_id}: {stored.advocate or 'nobody'} ({stored.reason})")
    return 0


def moment(written: str) -> datetime:
    """A moment with its time zone."""
    read = datetime.fromisoformat(written)
    if read.tzinfo is None:
        raise argparse.ArgumentTypeError("a moment needs its time zone, like 2026-11-02T10:15:00Z")
    return read


if __name__ == "__main__":
    sys.exit(main())
