"""A payment that its buyer disputes: what the sale earned waits, as far as no payout has it, until the bank has decided.

That a dispute is open is a row of the payment's, so that what is granted for its sale later is held, too, and what another
sale earned if the payment turns out to be of that one. An approval that was given before is void: nothing is paid out of
money that the bank may take back.
"""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import JSON, Text
from sqlmodel import Field, SQLModel, col, select

from core.access import Actor
from core.db import session
from referrals.conversions.conversion_rows import Conversion, lock
from rewards.approvals import holds
from rewards.reward import DISPUTED, GIVES, UNDECIDED, Reward, rewards_of_conversion
from rewards.taking_back.below import cancels_out

STRIPE = Actor("system", "stripe", "Stripe")


class DisputedPayment(SQLModel, table=True):
    """A payment of a sale with disputes that are open."""

    __tablename__ = "disputed_payment"

    payment: str = Field(primary_key=True, sa_type=Text)
    conversion_id: str = Field(foreign_key="conversion.id", index=True, sa_type=Text)
    disputes: list[str] = Field(sa_type=JSON)


def review(conversion_id: str, open_disputes: Mapping[str, Sequence[str]]) -> None:
    """Hold the sale's rewards while a dispute of one of its payments is open; release those that only a dispute held; again: nothing.

    `open_disputes` is what is open of each payment of the sale. What a person released although a dispute is open stays
    released until there is another one. Whoever grants something for the sale at this moment comes before or after, never
    in between.
    """
    lock(session().get_one(Conversion, conversion_id))
    before = _open(conversion_id)
    for row in _rows(conversion_id):
        if not open_disputes.get(row.payment):
            session().delete(row)
    for payment, disputes in open_disputes.items():
        if disputes:
            known = DisputedPayment(payment=payment, conversion_id=conversion_id, disputes=list(disputes))
            session().merge(known)
    session().flush()
    _follow(conversion_id, is_new=bool(_open(conversion_id) - before))


def move(payments: Collection[str], conversion_id: str | None) -> None:
    """These payments turn out to be of this sale, or of none of ours: what is held for their disputes is what that one earned."""
    rows = session().exec(select(DisputedPayment).where(col(DisputedPayment.payment).in_(payments))).all()
    touched = {each.conversion_id for each in rows} | ({conversion_id} if rows and conversion_id else set())
    for each in sorted(touched):
        lock(session().get_one(Conversion, each))
    for row in rows:
        if conversion_id is None:
            session().delete(row)
        else:
            row.conversion_id = conversion_id
            session().add(row)
    session().flush()
    for each in sorted(touched):
        _follow(each, is_new=each == conversion_id)


def hold_again(conversion_id: str) -> None:
    """Hold what a sale has earned by now, if a payment of it is disputed."""
    if words := _words(conversion_id):
        for reward in rewards_of_conversion(conversion_id):
            session().refresh(reward)
            _hold(reward, words)


def _follow(conversion_id: str, *, is_new: bool) -> None:
    """Hold what it earned for a new dispute; after the last one let go what only disputes held."""
    if is_new:
        hold_again(conversion_id)
    elif not _open(conversion_id):
        for reward in rewards_of_conversion(conversion_id):
            session().refresh(reward)
            holds.let_go(reward, "dispute", by=STRIPE)


def _rows(conversion_id: str) -> Sequence[DisputedPayment]:
    wanted = select(DisputedPayment).where(DisputedPayment.conversion_id == conversion_id)
    return session().exec(wanted.order_by(col(DisputedPayment.payment))).all()


def _open(conversion_id: str) -> frozenset[str]:
    return frozenset(each for row in _rows(conversion_id) for each in row.disputes)


def _words(conversion_id: str) -> str:
    """Why its rewards are held; empty where nothing is disputed."""
    disputes = sorted(_open(conversion_id))
    return f"{DISPUTED} ({', '.join(disputes)})." if disputes else ""


def _hold(reward: Reward, words: str) -> None:
    approved = reward.state == "approved" and reward.kind in GIVES and not cancels_out(reward)
    in_hand = reward.state in UNDECIDED or approved
    if in_hand and holds.why_held(reward).get("dispute") != words:
        holds.hold(reward, "dispute", words, by=STRIPE)
