"""Perks: what a programme gives for points, as long as there are any, until a day."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ColumnElement, Text, update
from sqlmodel import Field, SQLModel, col, or_, select

from core import audit
from core.access import Actor, authorize
from core.clock import now
from core.columns import key, moment
from core.db import session, update_one
from core.errors import Conflict, NotFound
from hub.programmes import Programme

MANAGE = "programme.manage"


class Perk(SQLModel, table=True):
    """One thing that is given for points."""

    __tablename__ = "perk"
    __table_args__ = (
        CheckConstraint("points > 0", name="points"),
        CheckConstraint("stock >= 0", name="stock"),
    )

    id: str = key()
    programme_id: str = Field(foreign_key="programme.id", index=True, sa_type=Text)
    unit_id: str = Field(foreign_key="unit.id", sa_type=Text)
    name: str = Field(sa_type=Text)
    description: str = Field(default="", sa_type=Text)
    points: int = Field(sa_type=BigInteger)
    """what it costs"""
    stock: int = Field(sa_type=BigInteger)
    """how many there are still"""
    ends_at: datetime | None = moment(optional=True)
    """from then on nobody can have it"""
    withdrawn_at: datetime | None = moment(optional=True)
    made_at: datetime = moment(now)


class PerkNotFound(NotFound):
    """There is no such perk."""


class SoldOut(Conflict):
    """There is none left of this, or its time is over."""


def offer(
    programme: Programme,
    name: str,
    points: int,
    stock: int,
    *,
    by: Actor,
    description: str = "",
    ends_at: datetime | None = None,
) -> Perk:
    """Offer a perk from now on."""
    authorize(by, MANAGE, programme.unit_id)
    made = Perk(
        programme_id=programme.id,
        unit_id=programme.unit_id,
        name=name,
        description=description,
        points=points,
        stock=stock,
        ends_at=ends_at,
    )
    session().add(made)
    session().flush()
    facts = {"name": name, "points": points, "stock": stock}
    audit.record(by, "perk.offered", "perk", made.id, unit_id=made.unit_id, details=facts)
    return made


def get_perk(perk_id: str) -> Perk:
    """The perk with this id; raises PerkNotFound."""
    perk = session().get(Perk, perk_id)
    if perk is None:
        raise PerkNotFound
    return perk


def restock(perk: Perk, more: int, *, by: Actor) -> None:
    """There are more (or, negative, fewer) of it; raises SoldOut where fewer than none would be left."""
    authorize(by, MANAGE, perk.unit_id)
    _move_stock(perk, more)
    audit.record(by, "perk.restocked", "perk", perk.id, unit_id=perk.unit_id, details={"more": more})


def withdraw(perk: Perk, *, by: Actor) -> None:
    """Offer it no more; what was ordered is still sent. Again: nothing."""
    authorize(by, MANAGE, perk.unit_id)
    if perk.withdrawn_at is None:
        perk.withdrawn_at = now()
        session().add(perk)
        session().flush()
        audit.record(by, "perk.withdrawn", "perk", perk.id, unit_id=perk.unit_id)


def perks_of(programme_id: str, *, offered: bool) -> list[Perk]:
    """Those of a programme, the cheapest first; with `offered` only those that can be had now."""
    wanted = select(Perk).where(Perk.programme_id == programme_id)
    if offered:
        wanted = wanted.where(_can_be_had(), col(Perk.stock) > 0)
    return list(session().exec(wanted.order_by(col(Perk.points), col(Perk.id))).all())


def take_one(perk: Perk) -> None:
    """Take one out of stock; raises SoldOut."""
    one = update(Perk).where(col(Perk.id) == perk.id, col(Perk.stock) > 0, _can_be_had())
    if not update_one(one.values(stock=Perk.stock - 1).execution_options(synchronize_session=False)):
        raise SoldOut
    session().refresh(perk)


def put_back(perk: Perk) -> None:
    """One that was ordered is there again."""
    _move_stock(perk, 1)


def _can_be_had() -> ColumnElement[bool]:
    in_time = or_(col(Perk.ends_at).is_(None), col(Perk.ends_at) > now())
    return col(Perk.withdrawn_at).is_(None) & in_time


def _move_stock(perk: Perk, more: int) -> None:
    enough = update(Perk).where(col(Perk.id) == perk.id, col(Perk.stock) + more >= 0)
    if not update_one(enough.values(stock=Perk.stock + more).execution_options(synchronize_session=False)):
        raise SoldOut
    session().refresh(perk)
