"""A payout's money came back after it had gone out: finance decides whether it is paid again or kept (payout_decisions.py)."""

from sqlalchemy import update
from sqlmodel import col

from core import events
from core.db import run, session, update_one
from hub import actions
from rewards.payout_outcomes import LOOK, LOOK_WITHIN_DAYS
from rewards.runs import OWED, Payout, PayoutReversed
from rewards.stripe_gateway import Transfer

GOT = ("sent", "landed", "bank_failed")
"""states in which the advocate has it"""


def transfer_reversed(payout: Payout, transfer: Transfer) -> None:
    """Its transfer was reversed: in whole, finance decides what becomes of it; in part, finance looks at it. Again: nothing."""
    why = f"Transfer {transfer.transfer_id} was reversed at Stripe. Please look what is to be done."
    same = update(Payout).where(col(Payout.id) == payout.id, col(Payout.state).in_((*OWED, *GOT)))
    if not update_one(same.values(reason=why).execution_options(synchronize_session=False)):
        return
    if transfer.reversed:
        gone = same.where(col(Payout.state).in_(GOT))
        run(gone.values(state="reversed").execution_options(synchronize_session=False))
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
    events.publish(PayoutReversed(payout.id))
