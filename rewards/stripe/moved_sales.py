"""A payment at Stripe turns out to be of another of our sales: what went back of it moves there."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, update
from sqlmodel import col, select

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

    One about the same sum that nobody else won is the same order: its payments are this one's. Else what went back is read
    anew, and a person asked which order is meant.
    """
    for other in (session().get_one(Conversion, each) for each in nobodys):
        won = whose(other)
        if won is not None and won.id == conversion_id:
            move_all(other, won)
        else:
            read_again(other.id)


def whose(nobodys: Conversion) -> Conversion | None:
    """The one order about the same sum that another shop told and somebody won; None where there are none, or several."""
    won = [each for each in same_order.won_beside(nobodys) if same_order.are_one(each, nobodys)]
    return won[0] if len(won) == 1 and not is_said(nobodys.id) else None


def is_said(conversion_id: str) -> bool:
    """Whether a person said that a payment is this sale's."""
    said = select(StripeSale.id).where(
        StripeSale.conversion_id == conversion_id, col(StripeSale.said).is_(True)
    )
    return session().exec(said).first() is not None


def is_anothers(payment: str, conversion_id: str) -> bool:
    """Whether a payment is known, and not as this sale's."""
    known = session().exec(select(StripeSale.conversion_id).where(StripeSale.payment_intent == payment)).all()
    return bool(known) and conversion_id not in known


def move_all(nobodys: Conversion, won: Conversion) -> None:
    """Everything that Stripe told of an order that nobody won is of `won` from now on, its open dispute, too."""
    _move(nobodys, won, col(StripeSale.conversion_id) == nobodys.id)
    won.customer_id = won.customer_id or nobodys.customer_id  # what they buy next is theirs
    session().add(won)
    disputed.move(nobodys.id, won.id)


def move(payment: str, old: Conversion, new: Conversion) -> None:
    """This payment is of `new` from now on."""
    _move(old, new, col(StripeSale.payment_intent) == payment)
    disputed.review(old.id, [])  # until what is left of it is read again


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


def _move(old: Conversion, new: Conversion, rows: ColumnElement[bool]) -> None:
    """What had gone back of these rows' payments is given back at `old`, and read again for both."""
    run(update(StripeSale).where(col(StripeSale.conversion_id) == old.id, rows).values(conversion_id=new.id))
    taken = select(Refund).where(
        Refund.conversion_id == old.id, Refund.brought_by == STRIPE.id, Refund.state == "applied"
    )
    for row in session().exec(taken).all():
        refunds.undo(row)
    read_again(old.id)
    read_again(new.id)
