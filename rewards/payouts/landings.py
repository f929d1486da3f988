"""Whether a payout's money reached the bank: what the advocate's account at Stripe paid out, and which transfers were in it.

Transferred is not landed, and what landed can fail days later. Then Stripe keeps the money in the advocate's account and
pays it out again once the bank details are right: the advocate is told, and nothing is ever transferred again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlmodel import col

from advocates.membership import get_membership
from core import mail
from core.clock import now
from core.db import session, transaction
from core.money import Money
from core.people import get_person
from rewards.payouts.payout_outcomes import came_to_the_bank
from rewards.payouts.runs import Payout, State
from rewards.stripe.stripe_gateway import Refused
from rewards.stripe.stripe_landings import BankPayout, bank_payouts_since, read_bank_payout, transfers_in

KINDS = frozenset({"payout.paid", "payout.failed", "payout.canceled"})
LANDED: dict[str, State] = {"paid": "landed", "failed": "bank_failed", "canceled": "bank_failed"}
LOOK_BACK, ACCOUNTS = timedelta(days=30), 200
EVERY_S = 3600


def apply(account_id: str, bank_payout_id: str) -> str:
    """Read what the account paid out, and note it on our payouts that were in it; what became of it, as a sentence.

    Raises StripeError when Stripe does not answer; no transaction is open while it is asked.
    """
    try:
        found = read_bank_payout(account_id, bank_payout_id)
    except Refused:
        return "not a payout that we may see"
    return f"{_note(found)} payouts: {found.status}"


def catch_up() -> int:
    """Job: the same for whatever we were not told, of accounts with payouts that were sent in the last 30 days.

    What landed can fail yet, and what failed can be tried again by Stripe: all of them are asked about, 200 accounts at a
    time, others the next time. Answers how many of ours changed; raises StripeError when Stripe does not answer.
    """
    with transaction(read_only=True):
        accounts = in_turn(_waiting_accounts(), int(now().timestamp() // EVERY_S))
    since = now() - LOOK_BACK
    return sum(_catch_up(account, since) for account in accounts)


def _catch_up(account_id: str, since: datetime) -> int:
    try:
        return sum(_note(each) for each in bank_payouts_since(account_id, since))
    except Refused:  # disconnected, and nobody told us: the account's own reading notes that
        return 0


def _waiting_accounts() -> Sequence[str]:
    """Where the money went, which is not always the account that the advocate has now."""
    waits = select(col(Payout.destination)).where(
        col(Payout.state).in_(("sent", "landed", "bank_failed")),
        col(Payout.provider) == "stripe",
        col(Payout.sent_at) > now() - LOOK_BACK,
    )
    return session().execute(waits.distinct().order_by(col(Payout.destination))).scalars().all()


def in_turn(accounts: Sequence[str], turn: int) -> Sequence[str]:
    """The 200 whose turn it is: one turn after the other everybody has theirs."""
    pieces = max(1, -(-len(accounts) // ACCOUNTS))
    start = turn % pieces * ACCOUNTS
    return accounts[start : start + ACCOUNTS]


def _note(found: BankPayout) -> int:
    """Of our payouts in it, how many stand otherwise now."""
    state = LANDED.get(found.status)
    if state is None:
        return 0
    transfers = transfers_in(found)
    with transaction():
        ours = session().execute(select(Payout).where(col(Payout.transfer_id).in_(transfers))).scalars().all()
        return sum(_stands(each, state, found) for each in sorted(ours, key=lambda each: each.id))


def _stands(payout: Payout, state: State, found: BankPayout) -> bool:
    if not came_to_the_bank(payout, state, found.bank_payout_id, found.made_at, found.failure):
        return False
    if state == "bank_failed":
        _tell_failed(payout, found)
    return True


def _tell_failed(payout: Payout, found: BankPayout) -> None:
    person = get_person(get_membership(payout.membership_id).person_id)
    amount = Money(payout.amount_minor, payout.currency).format()
    mail.leave(
        "payout_failed_at_bank", payout.id, found.bank_payout_id,
        to=person.email, name=person.name, amount=amount, reason=found.failure,
    )  # fmt: skip
