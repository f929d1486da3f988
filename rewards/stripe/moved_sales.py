"""A payment at Stripe turns out to be of another of our sales: what went back of it moves there."""

from collections.abc import Collection

from sqlalchemy import update
from sqlmodel import col, delete, select

from core.clock import now
from core.db import run, session
from core.ids import new_id
from referrals.conversions import refunds, same_order
from referrals.conversions.conversion_rows import Conversion, Refund
from rewards.stripe.stripe_event_rows import store
from rewards.stripe.stripe_sale_rows import STRIPE, StripeSale
from rewards.taking_back import disputed


def follow(conversion_id: str, nobodys: Collection[str]) -> None:
    """Reaction: somebody won an order, and others of its number are nobody's.

    One about the same sum is the same order: its payments are this one's. Which of two about different sums is meant is
    asked anew, should something go back.
    """
    won = session().get_one(Conversion, conversion_id)
    for other in (session().get_one(Conversion, each) for each in nobodys):
        if same_order.are_one(won, other):
            move(payments_of(other.id), other, won)
        else:
            guessed = (
                col(StripeSale.conversion_id) == other.id,
                col(StripeSale.object_id) == StripeSale.payment_intent,
            )
            run(delete(StripeSale).where(*guessed))
            read_again(other.id)


def move(payments: Collection[str], old: Conversion, new: Conversion) -> None:
    """These payments are of `new` from now on; what had gone back of them is taken off it, not off `old`.

    Everything that Stripe took off `old` is given back, and read once more for both.
    """
    if not payments:
        return
    same_order.one_at_a_time(old.external_id, new.external_id)
    theirs = col(StripeSale.conversion_id) == old.id, col(StripeSale.payment_intent).in_(payments)
    run(update(StripeSale).where(*theirs).values(conversion_id=new.id))
    taken = select(Refund).where(
        Refund.conversion_id == old.id, Refund.brought_by == STRIPE.id, Refund.state == "applied"
    )
    for row in session().exec(taken).all():
        refunds.undo(row)
    disputed.review(old.id, [])
    read_again(old.id)
    read_again(new.id)


def read_again(conversion_id: str) -> None:
    """What went back at Stripe of a sale is read once more by the clock."""
    for payment in payments_of(conversion_id):
        again = {"object": {"payment_intent": payment}}
        at = int(now().timestamp())
        store({"id": f"{new_id()} {payment}", "type": "charge.refunded", "data": again, "created": at})


def payments_of(conversion_id: str) -> list[str]:
    """The payments at Stripe that are known as a sale."""
    paid = select(StripeSale.payment_intent).where(
        StripeSale.conversion_id == conversion_id, StripeSale.payment_intent != ""
    )
    return sorted(set(session().exec(paid)))
