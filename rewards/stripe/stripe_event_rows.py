"""What Stripe told us, as it arrived, and what became of it."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import Field, SQLModel, col

from core.clock import now
from core.columns import key, moment
from core.db import dialect, session

ASKS = "a person has to look: "
"""how the result of an event begins that nobody could tell the order of"""


class StripeEvent(SQLModel, table=True):
    """An event as it arrived; the same one counts once."""

    __tablename__ = "stripe_event"
    __table_args__ = (UniqueConstraint("event_id", "account", "livemode"),)

    id: str = key()
    event_id: str = Field(sa_type=Text)
    account: str = Field(default="", sa_type=Text)
    """the connected account it is about; empty for the platform"""
    livemode: bool = False
    kind: str = Field(sa_type=Text)
    body: dict[str, Any] = Field(sa_type=JSON)
    received_at: datetime = moment(now)
    due_at: datetime = moment(now, index=True)
    applied_at: datetime | None = moment(optional=True)
    result: str = Field(default="", sa_type=Text)
    """what became of it, or what it waits for"""


def store(event: dict[str, Any]) -> bool:
    """Keep a verified event for applying; False when it is known."""
    account = event.get("account")
    row = StripeEvent(
        event_id=event["id"],
        account=account if isinstance(account, str) and account.isprintable() else "",
        livemode=event.get("livemode") is True,
        kind=event["type"],
        body=event,
        received_at=now(),
        due_at=now(),
    )
    add = (pg_insert if dialect() == "postgresql" else sqlite_insert)(StripeEvent).values(row.model_dump())
    once = add.on_conflict_do_nothing(index_elements=["event_id", "account", "livemode"])
    return session().execute(once.returning(col(StripeEvent.id))).scalar_one_or_none() is not None


def about(event: StripeEvent) -> dict[str, Any]:
    """The object that an event tells of, as it was then."""
    data = event.body.get("data")
    about = data.get("object") if isinstance(data, dict) else None
    return about if isinstance(about, dict) else {}
