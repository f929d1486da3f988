"""A payment that its buyer disputes: what the sale earned waits, as far as no payout has it, until the bank has decided.

That a dispute is open is a row of the sale's, so that what is granted for it later is held, too. An approval that was given
before is void: nothing is paid out of money that the bank may take back.
"""

from collections.abc import Sequence

from sqlalchemy import Text, delete
from sqlmodel import Field, SQLModel, col

from core.access import Actor
from core.db import run, session
from referrals.conversions.conversion_rows import Conversion, lock
from rewards.approvals import holds
from rewards.reward import DISPUTED, GIVES, UNDECIDED, Reward, rewards_of_conversion
from rewards.taking_back.below import cancels_out

STRIPE = Actor("system", "stripe", "Stripe")


class DisputedSale(SQLModel, table=True):
    """A sale with an open dispute."""

    __tablename__ = "disputed_sale"

    conversion_id: str = Field(primary_key=True, foreign_key="conversion.id", sa_type=Text)
    words: str = Field(sa_type=Text)
    """why its rewards are held"""


def review(conversion_id: str, open_disputes: Sequence[str]) -> None:
    """Hold the sale's rewards while a dispute is open; release those that only a dispute held; again: nothing.

    What a person released although the dispute is open stays released until there is another one. Whoever grants something for the sale at this moment comes before or after, never in between.
    """
    lock(session().get_one(Conversion, conversion_id))
    if open_disputes:
        words = f"{DISPUTED} ({', '.join(open_disputes)})."
        known = session().get(DisputedSale, conversion_id)
        if known is not None and known.words == words:
            return
        session().merge(DisputedSale(conversion_id=conversion_id, words=words))
        session().flush()
        hold_again(conversion_id)
        return
    run(delete(DisputedSale).where(col(DisputedSale.conversion_id) == conversion_id))
    for reward in rewards_of_conversion(conversion_id):
        session().refresh(reward)
        holds.let_go(reward, "dispute", by=STRIPE)


def move(old_id: str, new_id: str) -> None:
    """The dispute that is open on a sale turns out to be another's: what that earned is held, too."""
    known = session().get(DisputedSale, old_id)
    if known is None:
        return
    words = known.words
    run(delete(DisputedSale).where(col(DisputedSale.conversion_id) == old_id))
    lock(session().get_one(Conversion, new_id))
    session().merge(DisputedSale(conversion_id=new_id, words=words))
    session().flush()
    hold_again(new_id)


def hold_again(conversion_id: str) -> None:
    """Hold what a sale has earned by now, if its dispute is open."""
    disputed = session().get(DisputedSale, conversion_id)
    if disputed is not None:
        for reward in rewards_of_conversion(conversion_id):
            session().refresh(reward)
            _hold(reward, disputed.words)


def _hold(reward: Reward, words: str) -> None:
    approved = reward.state == "approved" and reward.kind in GIVES and not cancels_out(reward)
    in_hand = reward.state in UNDECIDED or approved
    if in_hand and holds.why_held(reward).get("dispute") != words:
        holds.hold(reward, "dispute", words, by=STRIPE)
