"""What `bin/spokes check` proves, and the clock every night: each line is a promise and the function that looks for what breaks it."""

from collections.abc import Callable
from datetime import timedelta

from sqlmodel import col, select

from core import audit, proofs
from core.access import CLOCK
from core.clock import now
from core.db import session, take_your_time, transaction
from core.outbox import OutboxMessage
from hub import actions, endpoints, metrics
from hub.units import find_hub
from referrals.clicks import link_proof
from referrals.conversions import looking_again
from referrals.conversions.imports import stuck_imports
from referrals.conversions.refunds import stuck_refunds
from referrals.conversions.waiting import LOOKS
from rewards import late_grants, sealed_rows
from rewards.ledger import proof
from rewards.payouts.runs import Payout
from rewards.stripe.stripe_event_rows import ASKS, StripeEvent
from rewards.tax import invoice_proof, invoices

STUCK_AFTER = timedelta(hours=24)
LOOK = "proof.look"
LOOK_WITHIN_DAYS = 1


def problems() -> tuple[tuple[str, Callable[[], list[str]]], ...]:
    """Promise and proof, in the order in which they are printed; each proof answers what is wrong, as sentences."""
    return (
        ("the scoreboard equals the facts", metrics.differences),
        ("the tallies, days and referrers of links equal their clicks", link_proof.differences),
        ("the ledger balances and agrees with rewards and payouts", proof.problems),
        ("the audit log is whole", lambda: [f"entry {seq} does not fit" for seq in audit.broken_links()]),
        ("no mail is stuck", _stuck_mails),
        ("no payout is stuck", _stuck_payouts),
        ("no conversion is left waiting for a code or coupon", looking_again.stuck),
        ("no refund waits for a sale that is there", stuck_refunds),
        ("no reward waits for an exchange rate that is there", late_grants.stuck),
        ("no file that was brought is left lying", stuck_imports),
        ("no event of Stripe's is left lying", _stuck_events),
        ("every stored secret can be opened", endpoints.unopenable),
        ("every bank account, tax form and invoice can be opened", sealed_rows.unopenable),
        ("the numbers of invoices have no gaps", invoices.gaps),
        ("invoices are over what was paid, and all of it", invoice_proof.problems),
    )


def recounts() -> tuple[tuple[str, Callable[[], int]], ...]:
    """What can be counted again from its facts, and how; each answers how many places were wrong."""
    return (
        ("scoreboard", metrics.recount),
        ("tallies, days and referrers of links", link_proof.recount),
    )


def prove() -> int:
    """Job: prove everything once a day (UTC); answers how many promises are broken. The hub's admins are asked to look."""
    with transaction():
        day = proofs.claim_today()
    if day is None:
        return 0
    with transaction(read_only=True):
        take_your_time()
        found = {promise: look() for promise, look in problems()}
    broken = {promise: sentences for promise, sentences in found.items() if sentences}
    with transaction():
        proofs.keep(day, broken)
        hub = find_hub()
        if hub is not None and broken:
            summary = f"The nightly proof found what must not be: not {', not '.join(sorted(broken))}."
            due = actions.due_in(LOOK_WITHIN_DAYS)
            actions.ask(LOOK, hub.id, hub.id, right="settings.see", summary=summary[:500], due_at=due)
        elif hub is not None:
            actions.done(LOOK, hub.id, by=CLOCK)
    return len(broken)


def _stuck_mails() -> list[str]:
    """Mails only: a webhook that its receiver never took is the receiver's, and its endpoint's page shows it."""
    dead = select(OutboxMessage).where(OutboxMessage.kind == "mail", OutboxMessage.state == "dead").limit(100)
    return [f"mail {each.id} could not be sent: {each.last_error}" for each in session().exec(dead)]


def _stuck_events() -> list[str]:
    """What asks for a person is left lying at once; what waits for something says what, and is once that is over."""
    late = now() - timedelta(hours=1)
    asks = col(StripeEvent.result).startswith(ASKS)
    waits = (col(StripeEvent.result) != "") & (col(StripeEvent.received_at) >= late - LOOKS[-1])
    is_late = (col(StripeEvent.received_at) < late) & ~waits
    left = select(StripeEvent).where(col(StripeEvent.applied_at).is_(None), asks | is_late).limit(100)
    return [
        f"event {each.id} came at {each.received_at:%Y-%m-%d %H:%M} and is not applied{_because(each)}"
        for each in session().exec(left)
    ]


def _because(event: StripeEvent) -> str:
    return f"; {event.result}" if event.result else ""


def _stuck_payouts() -> list[str]:
    open_states = ("reserved", "sending", "ambiguous")
    waiting = (
        select(Payout)
        .where(
            col(Payout.state).in_(open_states),
            Payout.provider == "stripe",
            Payout.made_at < now() - STUCK_AFTER,
        )
        .limit(100)
    )
    return [
        f"payout {each.id} is {each.state} since {each.made_at:%Y-%m-%d}" for each in session().exec(waiting)
    ]
