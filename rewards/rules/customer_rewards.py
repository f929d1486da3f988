"""The other side of a reward: what the referred customer gets, once, for the shop to hand over."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Text
from sqlmodel import Field, SQLModel, col, select

from core import bulk
from core.clock import now
from core.columns import key, minor, moment
from core.db import session
from core.ids import new_id
from core.money import Money
from rewards.rules.rules import Version


class CustomerReward(SQLModel, table=True):
    """A coupon or a credit for the customer of a conversion; a refund takes nothing of it back, the shop may."""

    __tablename__ = "customer_reward"

    id: str = key()
    once_for: str = Field(unique=True, sa_type=Text)
    """the customer in the programme; a guest's conversion"""
    conversion_id: str = Field(foreign_key="conversion.id", index=True, sa_type=Text)
    rule_id: str = Field(foreign_key="reward_rule.id", sa_type=Text)
    unit_id: str = Field(foreign_key="unit.id", sa_type=Text)
    """where the conversion was won"""
    coupon: str = Field(default="", sa_type=Text)
    amount_minor: int = minor(0)
    """of a credit"""
    currency: str = Field(default="", sa_type=Text)
    made_at: datetime = moment(now)

    @property
    def says(self) -> str:
        """`the coupon WELCOME10`, `a credit of €5.00`."""
        if self.coupon:
            return f"the coupon {self.coupon}"
        return f"a credit of {Money(self.amount_minor, self.currency).format()}"


@dataclass(frozen=True)
class Referred:
    """A conversion that a rule rewards, and its customer: see referrals/conversions/customers.py."""

    conversion_id: str
    programme_id: str
    unit_id: str
    customer: tuple[str, str]


def give(referred: Iterable[tuple[Referred, Version]]) -> None:
    """Give each customer what the rule says, unless they got something in the programme before."""
    at = now()
    rows = [_row(each, rule, at) for each, rule in referred if rule.conditions.gives_customer]
    bulk.store_new(CustomerReward, rows)


def find_given(conversion_id: str) -> CustomerReward | None:
    """What the customer of a conversion got for it."""
    wanted = select(CustomerReward).where(CustomerReward.conversion_id == conversion_id)
    return session().exec(wanted.order_by(col(CustomerReward.id)).limit(1)).first()


@dataclass(frozen=True)
class _NewRow:
    """With every column that a new one has."""

    id: str
    once_for: str
    conversion_id: str
    rule_id: str
    unit_id: str
    coupon: str
    amount_minor: int
    currency: str
    made_at: datetime


def _row(referred: Referred, rule: Version, at: datetime) -> _NewRow:
    asked, (unit_id, customer_id) = rule.conditions, referred.customer
    whom = f"{unit_id}:{customer_id}" if customer_id else f"conversion:{referred.conversion_id}"
    return _NewRow(
        new_id(), f"{referred.programme_id}:{whom}", referred.conversion_id, rule.id, referred.unit_id,
        asked.customer_coupon, asked.customer_credit_minor, asked.customer_currency, at,
    )  # fmt: skip
