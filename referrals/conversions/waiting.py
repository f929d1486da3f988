"""Conversions that named a code or coupon which was no running link's: looked at again for two days, and then let go.

A shop makes a coupon in the morning and tells us in the evening, or gives that of a link that has ended to another: the orders
in between are not lost. What is found is decided by the ordinary rules for the moment of the sale; so are the next orders of
its customer, which wait with it. Clicks need no waiting: their token says all of them, and was signed. Only what nobody won
waits: what somebody was told is theirs is not taken away by a coupon that is entered later.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Text, tuple_
from sqlmodel import Field, SQLModel, col, select

from core import bulk
from core.columns import moment
from core.db import session
from referrals.conversions.conversion_rows import Conversion

LEASE = timedelta(minutes=10)
"""so long one that is being decided is left to whoever began"""
LOOKS = tuple(timedelta(minutes=each) for each in (1, 10, 60, 6 * 60, 24 * 60, 48 * 60))
"""after its arrival"""


class WaitingConversion(SQLModel, table=True):
    """A conversion that is nobody's because what it or its customer's first one named is not known, and when it is looked at again."""

    __tablename__ = "waiting_conversion"

    conversion_id: str = Field(primary_key=True, foreign_key="conversion.id", sa_type=Text)
    looks: int = 0
    """how often it was looked at"""
    next_at: datetime = moment(index=True)
    failing_since: datetime | None = moment(optional=True)
    """since when it could have been decided and was not"""


def customers_among(customers: Collection[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Those of these (unit, customer) an order of whom waits."""
    if not customers:
        return frozenset()
    place = col(Conversion.unit_id), col(Conversion.customer_id)
    waiting = select(*place).join(WaitingConversion).where(tuple_(*place).in_(customers))
    return frozenset((unit_id, customer_id) for unit_id, customer_id in session().exec(waiting))


@dataclass(frozen=True)
class _NewWaiting:
    conversion_id: str
    next_at: datetime
    looks: int = 0


def waits_until(conversion_id: str, received_at: datetime) -> datetime | None:
    """Until when a conversion is looked at again; None for one that does not wait."""
    waits = session().get(WaitingConversion, conversion_id) is not None
    return received_at + LOOKS[-1] if waits else None


def wait_for(conversion_ids: Sequence[str], received_at: datetime) -> None:
    """Have these looked at again; call it in the transaction that stores them."""
    bulk.store(WaitingConversion, [_NewWaiting(each, received_at + LOOKS[0]) for each in conversion_ids])
