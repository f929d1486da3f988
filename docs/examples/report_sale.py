"""Report one sale: `SPOKES_URL=… SPOKES_KEY=… python report_sale.py order-1042 12900 EUR --code ana`."""

import argparse
import os
import sys

from spokes_client import Refused, Spokes


def main() -> int:
    """Report, and say whose it was; 1 when it was refused."""
    wanted = argparse.ArgumentParser(description="Report one sale.")
    wanted.add_argument("order")
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


if __name__ == "__main__":
    sys.exit(main())
