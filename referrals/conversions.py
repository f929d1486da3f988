"""Conversions: leads, sales and refunds that arrive, each stored once."""

from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import JSON, BigInteger, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from core.clock import now
from core.columns import key, minor, moment, one_of, word

Kind = Literal["lead", "sale"]


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
    day: int
    """YYYYMMDD of occurred_at, UTC, for the scoreboard"""
    amount_minor: int = minor(0)
    currency: str = Field(default="", sa_type=Text)
    """empty for leads without an amount"""
    customer_id: str = Field(default="", sa_type=Text)
    email_sha256: str = Field(default="", sa_type=Text)
    lines: list[dict[str, Any]] = Field(sa_type=JSON)
    details: dict[str, Any] = Field(sa_type=JSON)
    """the request's metadata"""
    membership_id: str | None = Field(default=None, foreign_key="membership.id", index=True, sa_type=Text)
    """whose it was; None when nobody's"""
    programme_id: str | None = Field(default=None, foreign_key="programme.id", index=True, sa_type=Text)
    link_id: str | None = Field(default=None, foreign_key="link.id", index=True, sa_type=Text)
    reason: str = Field(default="", sa_type=Text)
    """why it was theirs or nobody's, as a sentence"""
    answer: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    """what the API answered first, given again to every repetition"""


class Refund(SQLModel, table=True):
    """Money given back on a sale."""

    __tablename__ = "refund"
    __table_args__ = (UniqueConstraint("unit_id", "external_id"),)

    id: str = key()
    unit_id: str = Field(foreign_key="unit.id", sa_type=Text)
    external_id: str = Field(sa_type=Text)
    content_hash: str = Field(sa_type=Text)
    conversion_id: str | None = Field(default=None, foreign_key="conversion.id", index=True, sa_type=Text)
    """None while parked: it arrived before its sale"""
    conversion_external_id: str = Field(index=True, sa_type=Text)
    amount_minor: int = Field(sa_type=BigInteger)
    reason: str = Field(default="", sa_type=Text)
    occurred_at: datetime = moment()
    day: int
    received_at: datetime = moment(now)
    answer: dict[str, Any] | None = Field(default=None, sa_type=JSON)
