"""Which of Stripe's objects and payments is which sale of ours: all that is known of one payment names one sale."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, Text, or_
from sqlmodel import Field, SQLModel, col, select

from core.access import Actor
from core.clock import now
from core.columns import key, moment
from core.db import session
from core.errors import Conflict
from referrals.conversions import same_order

STRIPE = Actor("system", same_order.STRIPE, "Stripe")


class StripeSale(SQLModel, table=True):
    """A paid Checkout session, an invoice or a payment that is a conversion; several of them may be the same order."""

    __tablename__ = "stripe_sale"

    id: str = key()
    object_id: str = Field(unique=True, sa_type=Text)
    """cs_…, in_… or pi_…"""
    payment_intent: str = Field(default="", index=True, sa_type=Text)
    customer: str = Field(default="", index=True, sa_type=Text)
    """Stripe's id of the customer; empty for guests"""
    conversion_id: str | None = Field(foreign_key="conversion.id", index=True, sa_type=Text)
    """None: of none of our orders, as a person said"""
    said: bool = False
    """a person said so: nothing is guessed anew"""
    made_at: datetime = moment(now)
    """since when that is known, or was said"""


class NoneOfOurs(Conflict):
    """None of our orders: a person said so."""


def known_as(objects: Collection[str], payment: str) -> list[StripeSale]:
    """What is known of these objects or of this payment; what a person said comes first, the latest of it."""
    about: list[ColumnElement[bool]] = [col(StripeSale.object_id).in_(set(objects) - {""})]
    if payment:
        about.append(col(StripeSale.payment_intent) == payment)
    latest = col(StripeSale.said).desc(), col(StripeSale.made_at).desc(), col(StripeSale.id).desc()
    rows = select(StripeSale).where(or_(*about)).order_by(*latest)
    return list(session().exec(rows.execution_options(populate_existing=True)))


def keep(
    object_id: str, payment: str, conversion_id: str | None, customer: str = "", *, said: bool = False
) -> None:
    """Know one of Stripe's objects as this sale from now on, with its payment; call it with the locks of both.

    What a person said of it is not written over by what is guessed.
    """
    known = session().exec(select(StripeSale).where(StripeSale.object_id == object_id)).first()
    if known is None:
        known = StripeSale(object_id=object_id, conversion_id=conversion_id, made_at=now())
    known.payment_intent = known.payment_intent or payment
    known.customer = known.customer or customer
    if said or not known.said:
        known.conversion_id, known.said = conversion_id, said
    session().add(known)
    session().flush()
