"""Share links: a code, where it leads, whose it is."""

from datetime import datetime

from sqlalchemy import Text
from sqlmodel import Field, SQLModel

from core.clock import now
from core.columns import key, moment


class Link(SQLModel, table=True):
    """A share link; it forwards for as long as it runs, and earns while its owner may."""

    __tablename__ = "link"

    id: str = key()
    code: str = Field(unique=True, sa_type=Text)
    """lower case; looked up without regard to case"""
    membership_id: str = Field(foreign_key="membership.id", index=True, sa_type=Text)
    programme_id: str = Field(foreign_key="programme.id", index=True, sa_type=Text)
    unit_id: str = Field(foreign_key="unit.id", index=True, sa_type=Text)
    destination: str = Field(sa_type=Text)
    coupon: str | None = Field(default=None, unique=True, sa_type=Text)
    """upper case"""
    campaign: str = Field(default="", sa_type=Text)
    starts_at: datetime = moment(now)
    ends_at: datetime | None = moment(optional=True)
