"""Events of Stripe's that never reached us, because we were away or they were lost: fetched from its list, stored, applied.

Only those that something follows from, and only the platform's own: an account is read again before it is paid, whatever we
were told of it.
"""

from datetime import timedelta

from core.clock import now
from core.db import transaction
from core.settings import settings
from rewards.stripe import stripe_event_rows, stripe_events, stripe_gateway, stripe_sales

LOOK_BACK = timedelta(days=7)
"""Stripe keeps events for thirty days, and tries to deliver them for three"""
KINDS = sorted({*stripe_sales.KINDS, stripe_events.REVERSED_EVENT})
CHUNK = 500


def fetch_missed() -> int:
    """Job: keep what we have not; answers how many. Raises StripeError when Stripe does not answer."""
    if not settings().stripe_key:
        return 0
    missed, some = 0, []
    for event in stripe_gateway.events_since(
        now() - LOOK_BACK, KINDS
    ):  # no transaction is open while Stripe is asked
        some.append(event)
        if len(some) == CHUNK:
            missed, some = missed + _keep(some), []
    return missed + _keep(some)


def _keep(events: list[stripe_gateway.Body]) -> int:
    with transaction():
        return sum(
            stripe_event_rows.store(each) for each in reversed(events)
        )  # the oldest first, as they happened
