"""The rows of a comparison with Stripe: when, what each side says per unit and currency, and where they disagree."""

from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from core.clock import now
from core.columns import key, minor, moment, one_of, word
from core.money import Money

Kind = Literal["missing", "reversed", "amount", "twice", "unsettled", "stranger", "balance"]


class Reconciliation(SQLModel, table=True):
    """One comparison; without `ended_at` it is asked for, or under way until `due_at`."""

    __tablename__ = "reconciliation"

    id: str = key()
    asked_at: datetime = moment(now)
    asked_by: str = Field(default="clock", sa_type=Text)
    due_at: datetime = moment(now)
    since: datetime | None = moment(optional=True)
    """payouts from this moment on were compared,"""
    until: datetime | None = moment(optional=True)
    """and before this one"""
    ended_at: datetime | None = moment(optional=True)
    transfers: int = 0
    """how many transfers Stripe listed"""
    not_ours: int = 0
    """of them, how many are none of a payout of ours"""


class _BothSides(SQLModel):
    """A sum as each side says it."""

    currency: str = Field(sa_type=Text)
    ours_minor: int = minor(0)
    theirs_minor: int = minor(0)

    @property
    def ours(self) -> Money:
        """What we say."""
        return Money(self.ours_minor, self.currency)

    @property
    def theirs(self) -> Money:
        """What Stripe says."""
        return Money(self.theirs_minor, self.currency)

    @property
    def difference(self) -> Money:
        """Stripe's less ours; shown when it is nothing, too."""
        return Money(self.theirs_minor - self.ours_minor, self.currency)


class ReconciledSum(_BothSides, table=True):
    """What was paid in a unit and currency, as we say and as Stripe says; the unit is empty where no payout is known."""

    __tablename__ = "reconciled_sum"
    __table_args__ = (UniqueConstraint("reconciliation_id", "unit_id", "currency"),)

    id: str = key()
    reconciliation_id: str = Field(foreign_key="reconciliation.id", sa_type=Text)
    unit_id: str = Field(sa_type=Text)


class ReconciledBalance(_BothSides, table=True):
    """What our transfers took from the platform's balance in a currency, as our ledger says and as Stripe's balance says."""

    __tablename__ = "reconciled_balance"
    __table_args__ = (UniqueConstraint("reconciliation_id", "currency"),)

    id: str = key()
    reconciliation_id: str = Field(foreign_key="reconciliation.id", sa_type=Text)
    available_minor: int = minor(0)
    """what Stripe could transfer at that moment"""
    waiting_minor: int = minor(0)
    """what was reserved to be sent"""

    @property
    def available(self) -> Money:
        """What is there to be sent."""
        return Money(self.available_minor, self.currency)

    @property
    def waiting(self) -> Money:
        """What waits to be sent."""
        return Money(self.waiting_minor, self.currency)

    @property
    def missing(self) -> Money:
        """What has to come in before all of it can be sent; shown when it is nothing, too."""
        return Money(max(0, self.waiting_minor - self.available_minor), self.currency)


class ReconciliationDifference(_BothSides, table=True):
    """A payout or transfer about which we and Stripe disagree."""

    __tablename__ = "reconciliation_difference"
    __table_args__ = (one_of("kind", get_args(Kind)),)

    id: str = key()
    reconciliation_id: str = Field(default="", foreign_key="reconciliation.id", index=True, sa_type=Text)
    unit_id: str = Field(sa_type=Text)
    kind: Kind = word()
    payout_id: str | None = Field(default=None, foreign_key="payout.id", sa_type=Text)
    transfer_id: str = Field(default="", sa_type=Text)
