"""What `bin/spokes check` proves: each line is a promise and the function that looks for what breaks it."""

from collections.abc import Callable
from datetime import timedelta

from sqlmodel import col, select

from core import audit
from core.clock import now
from core.db import session
from core.outbox import OutboxMessage
from hub import metrics
from referrals import link_proof
from referrals.refunds import stuck_refunds
from rewards import proof
from rewards.runs import Payout
from rewards.stripe_events import StripeEvent

STUCK_AFTER = timedelta(hours=24)


def problems() -> tuple[tuple[str, Callable[[], list[str]]], ...]:
    """Promise and proof, in the order in which they are printed; each proof answers what is wrong, as sentences."""
    return (
        ("the scoreboard equals the facts", metrics.differences),
        ("the tallies and days of links equal their clicks", link_proof.differences),
        ("the ledger balances and agrees with rewards and payouts", proof.problems),
        ("the audit log is whole", lambda: [f"entry {seq} does not fit" for seq in audit.broken_links()]),
        ("no message is stuck", _stuck_messages),
        ("no payout is stuck", _stuck_payouts),
        ("no refund waits for a sale that is there", stuck_refunds),
        ("no event of Stripe's is left lying", _stuck_events),
    )


def _stuck_messages() -> list[str]:
    dead = select(OutboxMessage).where(OutboxMessage.state == "dead").limit(100)
    return [f"message {each.id} could not be sent: {each.last_error}" for each in session().exec(dead)]


def _stuck_events() -> list[str]:
    late = now() - timedelta(hours=1)
    left = (
        select(StripeEvent)
        .where(col(StripeEvent.applied_at).is_(None), StripeEvent.received_at < late)
        .limit(100)
    )
    return [
        f"event {each.id} came at {each.received_at:%Y-%m-%d %H:%M} and is not applied"
        for each in session().exec(left)
    ]


def _stuck_payouts() -> list[str]:
    open_states = ("reserved", "sending", "ambiguous")
    waiting = (
        select(Payout)
        .where(col(Payout.state).in_(open_states), Payout.made_at < now() - STUCK_AFTER)
        .limit(100)
    )
    return [
        f"payout {each.id} is {each.state} since {each.made_at:%Y-%m-%d}" for each in session().exec(waiting)
    ]
