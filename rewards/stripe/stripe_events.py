"""Stripe's events: stored first, answered, applied later; what we believe is what we read, never what an event says."""

from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import update
from sqlmodel import col, select

from core.clock import now
from core.db import session, transaction, update_one
from referrals.conversions.conversion_rows import Refund
from referrals.conversions.same_order import STRIPE
from rewards.payouts import accounts, came_back, landings
from rewards.payouts.runs import Payout, PayoutAttempt
from rewards.stripe import moved_sales, stripe_accounts, stripe_gateway, stripe_sales
from rewards.stripe.stripe_event_rows import ASKS, StripeEvent, about
from rewards.stripe.stripe_gateway import Refused, StripeError, TryLater
from rewards.stripe.stripe_orders import Undecided
from rewards.stripe.stripe_sales import LookAgain

log = structlog.get_logger()
BATCH = 100
LEASE = timedelta(minutes=2)
LOOKED_AT_AGAIN = timedelta(hours=6)
"""what nobody could tell: the shop may say more meanwhile"""
ACCOUNT_EVENTS = frozenset({"account.updated", "capability.updated"})
GONE_EVENT = "account.application.deauthorized"
REVERSED_EVENT = "transfer.reversed"


def ask_again(refund_id: str) -> None:
    """Reaction: a refund that a shop had told never happened; what went back at Stripe of its sale is read once more."""
    refund = session().get_one(Refund, refund_id)
    if refund.brought_by != STRIPE and refund.conversion_id is not None:
        moved_sales.read_again(refund.conversion_id)


def apply_events() -> int:
    """Job: apply what was stored, each claimed first; answers how many."""
    with transaction(read_only=True):
        open_ones = select(StripeEvent.id).where(*_due()).order_by(col(StripeEvent.due_at)).limit(BATCH)
        ids = list(session().exec(open_ones).all())
    return sum(_apply_one(each) for each in ids)


def _due() -> tuple[Any, ...]:
    return col(StripeEvent.applied_at).is_(None), col(StripeEvent.due_at) <= now()


def _apply_one(event_id: str) -> bool:
    lease = now() + LEASE
    with transaction():
        claim = update(StripeEvent).where(col(StripeEvent.id) == event_id, *_due())
        if not update_one(claim.values(due_at=lease)):
            return False
        event = session().get_one(StripeEvent, event_id)
    # Where a person answers meanwhile it is due again, and what was found without the answer is not written over it.
    mine = update(StripeEvent).where(
        col(StripeEvent.id) == event_id,
        col(StripeEvent.due_at) == lease,
        col(StripeEvent.applied_at).is_(None),
    )
    try:
        result = _apply(event)
    except LookAgain as later:
        with transaction():
            update_one(mine.values(due_at=later.due_at, result=later.message))
        return False
    except Undecided as error:  # until a person says it: settling.py
        with transaction():
            update_one(mine.values(due_at=now() + LOOKED_AT_AGAIN, result=f"{ASKS}{error.sentence}"))
        return False
    except StripeError as error:  # stays due after the lease
        log.warning("event not applied", stripe_event=event.event_id, kind=event.kind, why=error.message)
        return False
    with transaction():
        return update_one(mine.values(applied_at=now(), result=result))


def _apply(event: StripeEvent) -> str:
    if event.kind == GONE_EVENT or event.kind in ACCOUNT_EVENTS:
        return _read_account(event.account)
    if event.kind == REVERSED_EVENT:
        return _note_reversal(about(event).get("id"))
    if event.kind in landings.KINDS and event.account:
        return landings.apply(event.account, str(about(event).get("id")))
    if event.kind in stripe_sales.KINDS and not event.account:  # an advocate's own sales are theirs
        return stripe_sales.apply(event.kind, about(event), _told_at(event))
    return "noted"


def _told_at(event: StripeEvent) -> datetime:
    created = event.body.get("created")
    if not isinstance(created, int) or not 0 < created < event.received_at.timestamp():
        return event.received_at
    return datetime.fromtimestamp(created, UTC)


def _read_account(stripe_account_id: str) -> str:
    """Read the account again: events may come late, twice and out of order, the account itself is always now."""
    try:
        facts = stripe_accounts.read_account(stripe_account_id)
    except Refused:
        with transaction():
            accounts.note_gone(stripe_account_id)
        return "the account is not connected any more"
    with transaction():
        known = accounts.note_facts(facts)
    return "account read" if known else "not an account of ours"


def _note_reversal(transfer_id: object) -> str:
    """Read the transfer, and put its payout before finance; raises TryLater while we have not written down that it was made."""
    if not isinstance(transfer_id, str) or not transfer_id:
        return "names no transfer"
    try:
        transfer = stripe_gateway.read_transfer(transfer_id)
    except Refused:
        return "Stripe does not know it (any more)"
    with transaction():
        payout = session().exec(select(Payout).where(Payout.transfer_id == transfer.transfer_id)).first()
        if payout is None:
            _require_settled(transfer.payout_id)
            return "not a transfer of ours"
        came_back.transfer_reversed(payout, transfer)
    return "reversal noted"


def _require_settled(payout_id: str) -> None:
    unsettled = select(PayoutAttempt.id).where(
        PayoutAttempt.payout_id == payout_id, PayoutAttempt.outcome == "open"
    )
    if session().exec(unsettled).first() is not None:
        raise TryLater("its payout is not settled yet")
