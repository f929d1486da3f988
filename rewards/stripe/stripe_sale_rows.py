"""Which of Stripe's objects is which sale of ours."""

from datetime import datetime

from sqlalchemy import Text
from sqlmodel import Field, SQLModel

from core.clock import now
from core.columns import key, moment


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
    made_at: datetime = moment(now)
