"""Conversions whose reward waits for an exchange rate: on finance's list until the rate is entered."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Index, Integer, Text
from sqlmodel import Field, SQLModel, col, select

from core import bulk
from core.columns import key
from core.db import session
from core.ids import new_id
from hub import actions
from rewards.rules.exchange_rates import RIGHT, NoRate

ENTER = "rate.enter"
DAYS = 2


class RateWait(SQLModel, table=True):
    """A reward that is not granted yet, because nobody knows what its currency was worth."""

    __tablename__ = "reward_rate_wait"

    id: str = key()
    due_key: str = Field(unique=True, sa_type=Text)
    """what it is for, as in grant keys: conversion:<id>, or reassignment:<id>"""
    conversion_id: str = Field(foreign_key="conversion.id", sa_type=Text)
    unit_id: str = Field(foreign_key="unit.id", sa_type=Text)
    """whose finance, or one above, has to enter it"""
    base: str = Field(sa_type=Text)
    quote: str = Field(sa_type=Text)
    day: int = Field(sa_type=Integer)
    """YYYYMMDD"""


Index("ix_reward_rate_wait_rate", col(RateWait.day), col(RateWait.base), col(RateWait.quote))


@dataclass(frozen=True)
class NewWait:
    """One that is about to wait."""

    id: str
    due_key: str
    conversion_id: str
    unit_id: str
    base: str
    quote: str
    day: int


def of(due_key: str, conversion_id: str, unit_id: str, missing: NoRate) -> NewWait:
    """What waits for a rate that is not there."""
    day = missing.day.year * 10_000 + missing.day.month * 100 + missing.day.day
    return NewWait(new_id(), due_key, conversion_id, unit_id, missing.base, missing.quote, day)


def wait(waits: Sequence[NewWait]) -> None:
    """Have them wait, and finance asked for each rate; what waits already waits on."""
    bulk.store_new(RateWait, waits)
    for unit_id, base, quote, day in sorted(
        {(each.unit_id, each.base, each.quote, each.day) for each in waits}
    ):
        summary = f"{base} in {quote}, {day // 10_000}-{day // 100 % 100:02d}-{day % 100:02d}"
        actions.ask(
            ENTER, subject(unit_id, base, quote, day), unit_id,
            right=RIGHT, summary=summary, due_at=actions.due_in(DAYS),
        )  # fmt: skip


def wait_of(conversion_id: str) -> RateWait | None:
    """The rate that what a conversion earns waits for; None where nothing waits."""
    return session().exec(select(RateWait).where(RateWait.conversion_id == conversion_id).limit(1)).first()


def subject(unit_id: str, base: str, quote: str, day: int) -> str:
    """What a unit's finance is asked for, on its list."""
    return f"{unit_id}-{base}-{quote}-{day}"
