"""A payment at Stripe turns out to be of another of our sales, or of none: what went back of it, and what is disputed, moves."""

from collections.abc import Collection, Sequence

from sqlmodel import col, select

from core.clock import now
from core.db import session
from core.ids import new_id
from referrals.conversions import refunds, same_order
from referrals.conversions.conversion_rows import Conversion, Refund
from rewards.stripe.stripe_event_rows import store
from rewards.stripe.stripe_sale_rows import STRIPE, StripeSale, known_as
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
    return won[0] if len(won) == 1 else None


def is_said(payment: str) -> bool:
    """Whether a person said which order a payment is of."""
    return any(each.said for each in known_as((), payment))


def is_anothers(payment: str, conversion_id: str) -> bool:
    """Whether a payment is known, and not as this sale's."""
    return any(each.conversion_id != conversion_id for each in known_as((), payment))


def payments_beside(payment: str, conversion_id: str) -> list[str]:
    """The other payments that are known as a sale."""
    return [each for each in payments_of(conversion_id) if each != payment]


def agree(objects: Collection[str], payment: str) -> StripeSale | None:
    """What is known of these objects and this payment; call it with the locks of both.

    Where two answers named two sales before anybody knew that they were about one payment, the latest holds for all of it.
    """
    rows = known_as(objects, payment)
    if not rows:
        return None
    others = [each for each in rows if each.conversion_id != rows[0].conversion_id]
    if others:
        had = sorted({each.conversion_id for each in rows if each.conversion_id is not None})
        sales = {each: session().get_one(Conversion, each) for each in had}
        same_order.one_at_a_time(*(each.external_id for each in sales.values()))
        move(others, sales.get(rows[0].conversion_id or ""))
    return rows[0]


def move_all(nobodys: Conversion, won: Conversion) -> None:
    """Everything that Stripe told of an order that nobody won is of `won` from now on, but what a person said otherwise."""
    won.customer_id = won.customer_id or nobodys.customer_id  # what they buy next is theirs
    session().add(won)
    theirs = StripeSale.conversion_id == nobodys.id, col(StripeSale.said).is_(False)
    move(session().exec(select(StripeSale).where(*theirs)).all(), won)


def move(rows: Sequence[StripeSale], to: Conversion | None) -> None:
    """What these rows know is of this sale from now on, or of none; call it with the orders' locks.

    What Stripe took off the sales that had them is given again, and what is still theirs taken anew when it was read.
    """
    new_id = to.id if to else None
    moving = [each for each in rows if each.conversion_id != new_id]
    olds = {each.conversion_id for each in moving if each.conversion_id is not None}
    for each in moving:
        each.conversion_id = new_id
        session().add(each)
        if to is not None:
            to.customer_id = to.customer_id or each.customer
    session().flush()
    disputed.move({each.payment_intent for each in moving} - {""}, new_id)
    for old_id in sorted(olds):
        _give_all_again(old_id)
        read_again(old_id)
    if olds and new_id is not None:
        read_again(new_id)


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


def _give_all_again(conversion_id: str) -> None:
    taken = select(Refund).where(
        Refund.conversion_id == conversion_id, Refund.brought_by == STRIPE.id, Refund.state == "applied"
    )
    for row in session().exec(taken).all():
        refunds.undo(row)
