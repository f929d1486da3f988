"""The rows of conversions: what arrived, whose it might have been, what was given back."""

from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import JSON, BigInteger, Index, Text, UniqueConstraint, false, update
from sqlmodel import Field, SQLModel, col

from core.clock import now
from core.columns import UtcDateTime, key, minor, moment, one_of, word
from core.db import session, update_one
from referrals.conversions.attribution import Source

Kind = Literal["lead", "sale"]
RefundState = Literal["parked", "applied", "refused", "came_back"]


class Conversion(SQLModel, table=True):
    """A lead or a sale, and whose it was."""

    __tablename__ = "conversion"
    __table_args__ = (UniqueConstraint("unit_id", "external_id"), one_of("kind", get_args(Kind)))

    id: str = key()
    unit_id: str = Field(foreign_key="unit.id", sa_type=Text)
    """the unit of the key that brought it"""
    external_id: str = Field(sa_type=Text)
    content_hash: str = Field(sa_type=Text)
    """SHA-256 of the canonical request: the same order with other content is a conflict"""
    kind: Kind = word()
    occurred_at: datetime = moment(index=True)
    received_at: datetime = moment(now)
    brought_by: str = Field(default="", sa_type=Text)
    """the key, person or command that brought it"""
    day: int
    """YYYYMMDD of occurred_at, UTC, for the scoreboard"""
    amount_minor: int = minor(0)
    currency: str = Field(default="", sa_type=Text)
    """empty for leads without an amount"""
    tax_minor: int = minor(0)
    """of the amount"""
    shipping_minor: int = minor(0)
    """of the amount"""
    discount_minor: int = minor(0)
    """what was taken off before the amount"""
    refunded_minor: int = minor(0)
    """the sum of its refunds, never more than the amount"""
    customer_id: str = Field(default="", sa_type=Text)
    email_sha256: str = Field(default="", sa_type=Text)
    lines: list[dict[str, Any]] = Field(sa_type=JSON)
    details: dict[str, Any] = Field(sa_type=JSON)
    """the request's metadata"""
    membership_id: str | None = Field(default=None, foreign_key="membership.id", sa_type=Text)
    """whose it was; None when nobody's"""
    programme_id: str | None = Field(default=None, foreign_key="programme.id", index=True, sa_type=Text)
    link_id: str | None = Field(default=None, foreign_key="link.id", index=True, sa_type=Text)
    earning_unit_id: str | None = Field(default=None, foreign_key="unit.id", sa_type=Text)
    """the winner's unit, on whose scoreboard it stands"""
    reason: str = Field(default="", sa_type=Text)
    """why it was theirs or nobody's, as a sentence"""
    shared: bool = False
    """several advocates have a part of it, which stands on their candidates; the sale itself counts for membership_id"""
    stands_alone: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    """a person said that it is an order of its own: no other telling of its number is the same"""
    answer: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    """what the API answered first, given again to every repetition"""
    assessed_at: datetime | None = moment(optional=True)
    """when it was looked at for fraud; None asks the clock to look, and nothing of it is approvable before"""


Index("ix_conversion_customer", Conversion.unit_id, Conversion.customer_id, col(Conversion.occurred_at))
Index("ix_conversion_membership_when", col(Conversion.membership_id), col(Conversion.occurred_at))
Index(
    "ix_conversion_unassessed",
    Conversion.id,
    sqlite_where=col(Conversion.assessed_at).is_(None),
    postgresql_where=col(Conversion.assessed_at).is_(None),
)


def lock(conversion: Conversion) -> None:
    """Hold the row until the end of the transaction, and see it as it is now.

    Who holds more holds in this order: same_order.one_at_a_time, conversions by their ids, the cases about them.
    """
    same = update(Conversion).where(col(Conversion.id) == conversion.id)
    held = same.values(refunded_minor=Conversion.refunded_minor)
    update_one(held.execution_options(synchronize_session=False))
    session().refresh(conversion)


class AttributionCandidate(SQLModel, table=True):
    """Whose a conversion might have been, and why it was theirs or not."""

    __tablename__ = "attribution_candidate"
    __table_args__ = (UniqueConstraint("conversion_id", "position"), one_of("source", get_args(Source)))

    id: str = key()
    conversion_id: str = Field(foreign_key="conversion.id", sa_type=Text)
    position: int
    source: Source = word()
    given: str = Field(sa_type=Text)
    """the click's id, the code, the coupon, the customer's id"""
    at: datetime = Field(sa_type=UtcDateTime)
    link_id: str | None = Field(default=None, foreign_key="link.id", sa_type=Text)
    membership_id: str | None = Field(default=None, foreign_key="membership.id", index=True, sa_type=Text)
    won: bool = False
    """it has a part of the conversion: all of it, or a share"""
    weight_basis_points: int = 0
    """its part, or what was its part of a shared conversion before that was taken from all"""
    share_minor: int = minor(0)
    """the same of the amount"""
    verdict: str = Field(sa_type=Text)


LOST_DISPUTE = "lost dispute"
"""the reason of what a bank took back, told by Stripe"""


class Refund(SQLModel, table=True):
    """Money given back on a sale."""

    __tablename__ = "refund"
    __table_args__ = (UniqueConstraint("unit_id", "external_id"), one_of("state", get_args(RefundState)))

    id: str = key()
    unit_id: str = Field(foreign_key="unit.id", sa_type=Text)
    external_id: str = Field(sa_type=Text)
    content_hash: str = Field(sa_type=Text)
    conversion_id: str | None = Field(default=None, foreign_key="conversion.id", index=True, sa_type=Text)
    """None while parked: it arrived before its sale"""
    conversion_external_id: str = Field(index=True, sa_type=Text)
    state: RefundState = word("parked")
    """refused: it waited for its sale, and was more than was left of it or in another currency; came_back: it failed, was taken back, or its dispute was won late"""
    amount_minor: int = Field(sa_type=BigInteger)
    currency: str = Field(default="", sa_type=Text)
    """as it was told, empty where it was not: the sale's decides"""
    completes: bool = False
    """with it the whole sale is given back: the sale counts no more from this day on"""
    reason: str = Field(default="", sa_type=Text)
    occurred_at: datetime = moment()
    day: int
    received_at: datetime = moment(now)
    brought_by: str = Field(default="", sa_type=Text)
    answer: dict[str, Any] | None = Field(default=None, sa_type=JSON)

    @property
    def by_dispute(self) -> bool:
        """Whether the buyer's bank took it back: nobody refunded it."""
        return self.reason == LOST_DISPUTE


class RefundShare(SQLModel, table=True):
    """What of a refund of a shared sale was whose."""

    __tablename__ = "refund_share"
    __table_args__ = (UniqueConstraint("refund_id", "candidate_id"),)

    id: str = key()
    refund_id: str = Field(foreign_key="refund.id", sa_type=Text)
    candidate_id: str = Field(foreign_key="attribution_candidate.id", index=True, sa_type=Text)
    membership_id: str = Field(foreign_key="membership.id", sa_type=Text)
    amount_minor: int = minor()
