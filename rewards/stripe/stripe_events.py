"""Stripe's events: stored first, answered, applied later; what we believe is what we read, never what an event says."""

from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import JSON, Text, UniqueConstraint, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import Field, SQLModel, col, select

from core.clock import now
from core.columns import key, moment
from core.db import dialect, session, transaction, update_one
from referrals.conversions.conversion_rows import Refund
from referrals.conversions.same_order import STRIPE
from rewards.payouts import accounts, came_back, landings
from rewards.payouts.runs import Payout, PayoutAttempt
from rewards.stripe import stripe_accounts, stripe_gateway, stripe_sales
from rewards.stripe.stripe_gateway import Refused, StripeError, TryLater
from rewards.stripe.stripe_orders import Undecided
from rewards.stripe.stripe_sale_rows import StripeSale
from rewards.stripe.stripe_sales import LookAgain

log = structlog.get_logger()
BATCH = 100
LEASE = timedelta(minutes=2)
LOOKED_AT_AGAIN = timedelta(hours=6)
"""what nobody could tell: the shop may say more meanwhile"""
ASKS = "a person has to look: "
"""how the result of such an event begins"""
ACCOUNT_EVENTS = frozenset({"account.updated", "capability.updated"})
GONE_EVENT = "account.application.deauthorized"
REVERSED_EVENT = "transfer.reversed"


class StripeEvent(SQLModel, table=True):
    """An event as it arrived; the same one counts once."""

    __tablename__ = "stripe_event"
    __table_args__ = (UniqueConstraint("event_id", "account", "livemode"),)

    id: str = key()
    event_id: str = Field(sa_type=Text)
    account: str = Field(default="", sa_type=Text)
    """the connected account it is about; empty for the platform"""
    livemode: bool = False
    kind: str = Field(sa_type=Text)
    body: dict[str, Any] = Field(sa_type=JSON)
    received_at: datetime = moment(now)
    due_at: datetime = moment(now, index=True)
    applied_at: datetime | None = moment(optional=True)
    result: str = Field(default="", sa_type=Text)
    """what became of it, or what it waits for"""


def store(event: dict[str, Any]) -> bool:
    """Keep a verified event for applying; False when it is known."""
    account = event.get("account")
    row = StripeEvent(
        event_id=event["id"],
        account=account if isinstance(account, str) and account.isprintable() else "",
        livemode=event.get("livemode") is True,
        kind=event["type"],
        body=event,
        received_at=now(),
        due_at=now(),
    )
    add = (pg_insert if dialect() == "postgresql" else sqlite_insert)(StripeEvent).values(row.model_dump())
    once = add.on_conflict_do_nothing(index_elements=["event_id", "account", "livemode"])
    return session().execute(once.returning(col(StripeEvent.id))).scalar_one_or_none() is not None


def ask_again(refund_id: str) -> None:
    """Reaction: a refund that a shop had told never happened; what went back at Stripe of its sale is read once more."""
    refund = session().get_one(Refund, refund_id)
    if refund.brought_by == STRIPE:
        return
    paid = select(StripeSale.payment_intent).where(
        StripeSale.conversion_id == refund.conversion_id, StripeSale.payment_intent != ""
    )
    for payment in session().exec(paid.distinct()):
        again = {"object": {"payment_intent": payment}}
        at = int(now().timestamp())
        store({"id": f"{refund.id} {payment}", "type": "charge.refunded", "data": again, "created": at})


def apply_events() -> int:
    """Job: apply what was stored, each claimed first; answers how many."""
    with transaction(read_only=True):
        open_ones = select(StripeEvent.id).where(*_due()).order_by(col(StripeEvent.due_at)).limit(BATCH)
        ids = list(session().exec(open_ones).all())
    return sum(_apply_one(each) for each in ids)


def _due() -> tuple[Any, ...]:
    return col(StripeEvent.applied_at).is_(None), col(StripeEvent.due_at) <= now()


def _apply_one(event_id: str) -> bool:
    with transaction():
        claim = update(StripeEvent).where(col(StripeEvent.id) == event_id, *_due())
        if not update_one(claim.values(due_at=now() + LEASE)):
            return False
        event = session().get_one(StripeEvent, event_id)
    try:
        result = _apply(event)
    except LookAgain as later:
        with transaction():
            wait = update(StripeEvent).where(col(StripeEvent.id) == event_id)
            update_one(wait.values(due_at=later.due_at, result=later.message))
        return False
    except Undecided as error:  # until a person says it: settling.py
        with transaction():
            wait = update(StripeEvent).where(col(StripeEvent.id) == event_id)
            update_one(wait.values(due_at=now() + LOOKED_AT_AGAIN, result=f"{ASKS}{error.sentence}"))
        return False
    except StripeError as error:  # stays due after the lease
        log.warning("event not applied", stripe_event=event.event_id, kind=event.kind, why=error.message)
        return False
    with transaction():
        done = update(StripeEvent).where(col(StripeEvent.id) == event_id)
        return update_one(done.values(applied_at=now(), result=result))


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


def about(event: StripeEvent) -> dict[str, Any]:
    """The object that an event tells of, as it was then."""
    data = event.body.get("data")
    about = data.get("object") if isinstance(data, dict) else None
    return about if isinstance(about, dict) else {}


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
