"""A payout's money came back after it had gone out: finance decides whether it is paid again or kept (payout_decisions.py)."""

from sqlalchemy import update
from sqlmodel import col

from core import events
from core.db import session, update_one
from core.money import Money
from hub import actions
from rewards.payouts.payout_outcomes import LOOK, LOOK_WITHIN_DAYS
from rewards.payouts.runs import ARRIVED, OWED, Payout, PayoutReversed
from rewards.stripe.stripe_gateway import Transfer
from rewards.stripe.stripe_units import minor_of


def transfer_reversed(payout: Payout, transfer: Transfer) -> None:
    """Its transfer was reversed, in whole or in part: finance decides what becomes of that. Again: nothing.

    Of one that is not written down as sent, and may be of another amount, finance only hears.
    """
    back = minor_of(transfer.reversed_amount, transfer.currency)
    part = "" if transfer.reversed else f"{Money(back, payout.currency).format()} of "
    subject = f"{part}transfer {transfer.transfer_id}"
    why = f"{subject[0].upper()}{subject[1:]} was reversed at Stripe. Please look what is to be done."
    same = update(Payout).where(col(Payout.id) == payout.id)
    arrived = same.where(col(Payout.state).in_(ARRIVED))
    if transfer.reversed:
        noted = arrived.values(state="reversed", reason=why)
    else:
        noted = arrived.where(col(Payout.back_minor) < back).values(back_minor=back, reason=why)
    owed = same.where(col(Payout.state).in_(OWED)).values(reason=why)
    if any(update_one(each.execution_options(synchronize_session=False)) for each in (noted, owed)):
        _put_before_finance(session().get_one(Payout, payout.id, populate_existing=True), why)


def returned(payout_id: str, why: str) -> bool:
    """Whoever carried it otherwise brought it back: a bank its transfer, a manager its perks. False when it was not sent, or has come back."""
    here = update(Payout).where(
        col(Payout.id) == payout_id, col(Payout.provider) != "stripe", col(Payout.state) == "sent"
    )
    back = here.values(state="reversed", reason=why[:500]).execution_options(synchronize_session=False)
    if not update_one(back):
        return False
    _put_before_finance(session().get_one(Payout, payout_id, populate_existing=True), why)
    return True


def _put_before_finance(payout: Payout, why: str) -> None:
    due = actions.due_in(LOOK_WITHIN_DAYS)
    actions.ask(LOOK, payout.id, payout.unit_id, right="payout.run", summary=why, due_at=due)
    events.publish(PayoutReversed(payout.id, payout.state, payout.back_minor))
