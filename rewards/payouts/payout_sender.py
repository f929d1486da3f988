"""Sending payouts: intent committed before the call, no transaction open during it, and never a second transfer.

The machine of money.md: claim by conditional UPDATE with a lease and a fencing number; one attempt row per key, frozen;
an answer that nobody got is settled by looking the transfer up, and for 20 h by sending the very same request again.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event

from sqlalchemy import ColumnElement, and_, case, or_, select, update
from sqlmodel import col

from advocates.membership import get_membership
from core.clock import now
from core.db import session, transaction, update_one
from core.settings import settings
from rewards.payouts import accounts, came_back, payout_outcomes
from rewards.payouts.accounts import PayoutAccount
from rewards.payouts.pace import Pace
from rewards.payouts.runs import Payout, PayoutAttempt
from rewards.stripe import stripe_accounts, stripe_gateway
from rewards.stripe.stripe_gateway import Refused, StripeError, Transfer, TryLater, Unsure
from rewards.stripe.stripe_units import stripe_amount

LEASE = timedelta(seconds=60)
RESEND_WITHIN = timedelta(hours=20)
"""a key may be forgotten after 24 h: until then the same one, afterwards never"""
ASLEEP_AT_MOST = timedelta(hours=4)
"""a call that began longer ago was made by now, or never will be: whoever began it is not merely asleep"""
STILL_OUT = "An earlier call may still be on its way to Stripe."
SENDERS = 8
"""at once: enough for the pace while an answer takes less than three quarters of a second"""
BATCH = 200


@dataclass(frozen=True)
class Claim:
    """A payout in our hands until `until`; `fence` is what proves it."""

    payout: Payout
    until: datetime
    open_attempt: PayoutAttempt | None
    account: PayoutAccount | None

    @property
    def group(self) -> str:
        """Where Stripe files the payout's transfer."""
        return self.payout.group


@dataclass(frozen=True)
class _Call:
    """A call of an attempt that is about to be made."""

    began: datetime
    unheard_before: datetime | None = None
    """when an earlier one began of which nobody heard"""
    earlier_may_come: bool = False
    """whoever began that may still be asleep in it"""


class _TooMuch(Exception):
    """Stripe asks for less: what it turned away waits already."""


def send_due() -> int:
    """Job: send what is reserved and settle what is unclear, at STRIPE_PAYOUTS_PER_S; answers how many were sent.

    Several at a time, because an answer takes longer than the pace allows between two; each is claimed by itself. Once
    Stripe says that it is too much, no further one is begun: the next run is five seconds away.
    """
    with transaction(read_only=True):
        due = select(col(Payout.id)).where(_due()).order_by(col(Payout.due_at), col(Payout.id))
        ids = list(session().execute(due.limit(BATCH)).scalars())
    pace, too_much = Pace(settings().stripe_payouts_per_s), Event()

    def send_next(payout_id: str) -> bool:
        pace.wait()
        try:
            return not too_much.is_set() and send_one(payout_id)
        except _TooMuch:
            too_much.set()
            return False

    with ThreadPoolExecutor(min(SENDERS, len(ids) or 1), thread_name_prefix="sender") as senders:
        # Each in this thread's context, as a copy: time is the same for all, transactions are not.
        return sum(senders.map(lambda context, each: context.run(send_next, each), _contexts(), ids))


def _contexts() -> Iterator[Context]:
    while True:
        yield copy_context()


def _due() -> ColumnElement[bool]:
    open_attempt = select(col(PayoutAttempt.id)).where(
        col(PayoutAttempt.payout_id) == col(Payout.id), col(PayoutAttempt.outcome) == "open"
    )
    active = col(Payout.state).in_(("reserved", "sending", "ambiguous"))
    unsettled = and_(col(Payout.state) == "held", open_attempt.exists())
    by_stripe = col(Payout.provider) == "stripe"
    return and_(by_stripe, or_(active, unsettled), col(Payout.due_at) <= now())


def send_one(payout_id: str) -> bool:
    """Take one payout a step further; True when its money has gone out now."""
    claim = _claim(payout_id)
    if claim is None:
        return False
    try:
        if claim.open_attempt is not None:
            return _recover(claim, claim.open_attempt)
        return _try_anew(claim)
    except StripeError as error:  # a question (not a transfer) got no answer: ask again later
        with transaction():
            payout_outcomes.unclear(claim.payout, error.message)
        if isinstance(error, TryLater):
            raise _TooMuch from error
        return False


def _claim(payout_id: str) -> Claim | None:
    with transaction():
        until = now() + LEASE
        state = case((col(Payout.state) == "held", "held"), else_="sending")
        taken = update(Payout).where(col(Payout.id) == payout_id, _due())
        if not update_one(taken.values(state=state, fence=Payout.fence + 1, due_at=until)):
            return None
        payout = session().get_one(Payout, payout_id)
        attempts = select(PayoutAttempt).where(
            col(PayoutAttempt.payout_id) == payout_id, col(PayoutAttempt.outcome) == "open"
        )
        account = accounts.account_of(get_membership(payout.membership_id).person_id)
        return Claim(payout, until, session().execute(attempts).scalars().first(), account)


def _try_anew(claim: Claim) -> bool:
    why_not = _cannot_pay(claim, claim.payout.destination)
    if why_not:
        with transaction():
            payout_outcomes.hold(claim.payout, why_not)
        return False
    with transaction():
        attempt = _begin_attempt(claim.payout)
    if attempt is None:
        return False
    if claim.payout.transfer_id is not None:  # one of another amount was there before: it may still be
        found = _find(claim)
        if found is not None:
            return _adopt(claim, attempt, found, settled=True)
    return _send(claim, attempt, _Call(attempt.sent_at))


def _begin_attempt(payout: Payout) -> PayoutAttempt | None:
    """The attempt with everything frozen, committed before the call; None when another sender overtook us."""
    number = payout.attempts + 1
    mine = update(Payout).where(
        col(Payout.id) == payout.id,
        col(Payout.fence) == payout.fence,
        col(Payout.state) == "sending",
        col(Payout.attempts) == payout.attempts,
    )
    if not update_one(mine.values(attempts=number)):
        return None
    began = now()
    attempt = PayoutAttempt(
        payout_id=payout.id,
        number=number,
        key=f"po_{payout.id}_a{number}",
        destination=payout.destination,
        amount_minor=payout.amount_minor,
        currency=payout.currency,
        sent_at=began,
        unheard_since=began,
    )
    session().add(attempt)
    session().flush()
    return attempt


def _recover(claim: Claim, attempt: PayoutAttempt) -> bool:
    """Settle an attempt whose answer nobody kept: adopt, else send the same again, after 20 h only a new one.

    Nothing new begins while whoever called last may be asleep in that call, and wake up to make a second transfer (ADR 25).
    """
    found, too_late = _find(claim), now() - attempt.sent_at >= RESEND_WITHIN
    unheard = attempt.unheard_since
    may_come = unheard is not None and now() - unheard < ASLEEP_AT_MOST
    if found is not None:
        return _adopt(claim, attempt, found, settled=too_late and not may_come)
    if too_late and may_come:
        with transaction():
            payout_outcomes.unclear(claim.payout, STILL_OUT)
        return False
    if too_late:
        with transaction():
            open_again = payout_outcomes.absent(claim.payout, attempt)
        return open_again and _try_anew(claim)
    why_not = _cannot_pay(claim, attempt.destination)
    if why_not:
        with transaction():
            payout_outcomes.hold(claim.payout, why_not)
        return False
    with transaction():
        began = payout_outcomes.calls_again(claim.payout, attempt)
    return began is not None and _send(claim, attempt, _Call(began, unheard, may_come))


def _send(claim: Claim, attempt: PayoutAttempt, call: _Call) -> bool:
    if now() >= claim.until:  # we were asleep: whoever has the payout now settles it
        return False
    try:
        transfer = stripe_gateway.send_transfer(
            attempt.key,
            amount=stripe_amount(attempt.amount_minor, attempt.currency),
            currency=attempt.currency,
            destination=attempt.destination,
            group=claim.group,
            payout_id=claim.payout.id,
        )
    except StripeError as error:
        with transaction():
            payout_outcomes.heard(attempt, call.began, call.unheard_before)
        return _not_sent(claim, attempt, error, may_come=call.earlier_may_come)
    return _adopt(claim, attempt, transfer, settled=not call.earlier_may_come)


def _not_sent(claim: Claim, attempt: PayoutAttempt, error: StripeError, *, may_come: bool) -> bool:
    if isinstance(error, TryLater):
        with transaction():
            payout_outcomes.postpone(claim.payout, error.message)
        raise _TooMuch from error
    return _still_out(claim, attempt, error) if may_come else _doubt(claim, attempt, error)


def _still_out(claim: Claim, attempt: PayoutAttempt, error: StripeError) -> bool:
    """A no to us is none to whoever is asleep in the same call: it is believed once they would have woken up."""
    found = _find(claim)
    if found is not None:
        return _adopt(claim, attempt, found, settled=False)
    with transaction():
        payout_outcomes.unclear(claim.payout, f"{STILL_OUT} {error.message}")
    return False


def _doubt(claim: Claim, attempt: PayoutAttempt, error: StripeError) -> bool:
    """Look before believing: a no may stand for a transfer that was made, and only absence frees the next attempt."""
    found = _find(claim)
    if found is not None:
        return _adopt(claim, attempt, found, settled=isinstance(error, Refused))
    if isinstance(error, Unsure):
        with transaction():
            payout_outcomes.unclear(claim.payout, error.message)
        return False
    if claim.account is not None and error.code != payout_outcomes.NO_FUNDS:
        _read_again(claim.account)
    with transaction():
        account = accounts.account_of(get_membership(claim.payout.membership_id).person_id)
        payout_outcomes.refused(
            claim.payout, attempt, error, able=account is not None and accounts.able(account)
        )
    return False


def _find(claim: Claim) -> Transfer | None:
    """The payout's transfer at Stripe; one of another amount that was reversed there counts for nothing."""
    found = stripe_gateway.find_transfer(claim.group, claim.payout.id)
    return None if found is not None and found.reversed and not _as_meant(claim.payout, found) else found


def _as_meant(payout: Payout, transfer: Transfer) -> bool:
    wanted = stripe_amount(payout.amount_minor, payout.currency), payout.currency
    return (transfer.amount, transfer.currency) == wanted


def _adopt(claim: Claim, attempt: PayoutAttempt, transfer: Transfer, *, settled: bool) -> bool:
    """Take the transfer for the payout's, or stop at another amount; `settled`: the attempt made none, and will make none."""
    with transaction():
        if _as_meant(claim.payout, transfer):
            sent = payout_outcomes.sent(claim.payout, attempt, transfer)
            if transfer.reversed_amount:  # before we wrote down that it was made
                came_back.transfer_reversed(claim.payout, transfer)
            return sent
        why = f"Stripe has transfer {transfer.transfer_id} for this payout with another amount."
        if settled:
            payout_outcomes.foreign(claim.payout, attempt, transfer, why)
        else:
            payout_outcomes.hold(claim.payout, why)
        return False


def _cannot_pay(claim: Claim, destination: str) -> str:
    """Why the money may not go to `destination` now, empty when it may; asks Stripe when we last asked an hour ago."""
    account = claim.account
    if account is not None and account.stripe_account_id and not accounts.is_fresh(account):
        account = _read_again(account)
    standing = accounts.standing(account)
    if standing != "ready" or account is None:
        return accounts.WHY_NOT[standing]
    if account.stripe_account_id != destination:
        return "The advocate has another payout account now than when this payout was made."
    return ""


def _read_again(account: PayoutAccount) -> PayoutAccount | None:
    stripe_id = account.stripe_account_id or ""
    try:
        facts = stripe_accounts.read_account(stripe_id)
    except Refused:
        with transaction():
            accounts.note_gone(stripe_id)
            return accounts.find_account(stripe_id)
    with transaction():
        return accounts.note_facts(facts)
