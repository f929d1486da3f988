"""Which of Stripe's objects is which sale of ours."""

from datetime import datetime

from sqlalchemy import Text
from sqlmodel import Field, SQLModel, select

from core.access import Actor
from core.clock import now
from core.columns import key, moment
from core.db import session
from referrals.conversions import same_order
from referrals.conversions.conversion_rows import Conversion

STRIPE = Actor("system", same_order.STRIPE, "Stripe")


class StripeSale(SQLModel, table=True):
    """A paid Checkout session or invoice that is a conversion; two of them may be the same order."""

    __tablename__ = "stripe_sale"

    id: str = key()
    object_id: str = Field(unique=True, sa_type=Text)
    """cs_… or in_…"""
    payment_intent: str = Field(default="", index=True, sa_type=Text)
    customer: str = Field(default="", index=True, sa_type=Text)
    """Stripe's id of the customer; empty for guests"""
    conversion_id: str = Field(foreign_key="conversion.id", sa_type=Text)
    said: bool = False
    """a person said so: nothing is guessed anew"""
    made_at: datetime = moment(now)


def keep(object_id: str, payment_intent: str, sale: Conversion, customer: str = "") -> None:
    """Know one of Stripe's objects as this sale from now on; call it with the order's lock."""
    if session().exec(select(StripeSale.id).where(StripeSale.object_id == object_id)).first() is None:
        session().add(
            StripeSale(
                object_id=object_id,
                payment_intent=payment_intent,
                customer=customer,
                conversion_id=sale.id,
                made_at=now(),
            )
        )
        session().flush()
