"""Perks: what a programme gives for points, or instead of money, as long as there are any, until a day."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ColumnElement, Index, Text, update
from sqlmodel import Field, SQLModel, col, or_, select

from core import audit
from core.access import Actor, authorize
from core.clock import now
from core.columns import key, moment
from core.db import session, update_one
from core.errors import Conflict, Invalid, NotFound
from core.money import Money
from hub.programmes import Programme

MANAGE = "programme.manage"
PAYS = "payout.run"
"""what people are paid in is finance's to say"""


class Perk(SQLModel, table=True):
    """One thing that is given for points, or by payouts."""

    __tablename__ = "perk"
    __table_args__ = (
        CheckConstraint("points >= 0 AND points + worth_minor > 0", name="points"),
        CheckConstraint("stock >= 0", name="stock"),
    )

    id: str = key()
    programme_id: str = Field(foreign_key="programme.id", index=True, sa_type=Text)
    unit_id: str = Field(foreign_key="unit.id", sa_type=Text)
    name: str = Field(sa_type=Text)
    description: str = Field(default="", sa_type=Text)
    points: int = Field(sa_type=BigInteger)
    """what it costs; 0: it is not in the store"""
    worth_minor: int = Field(default=0, sa_column_kwargs={"server_default": "0"}, sa_type=BigInteger)
    """what one stands for, in the programme's currency, where payouts are given in it; 0: they are not"""
    stock: int = Field(sa_type=BigInteger)
    """how many there are still"""
    ends_at: datetime | None = moment(optional=True)
    """from then on nobody can have it"""
    withdrawn_at: datetime | None = moment(optional=True)
    made_at: datetime = moment(now)


_pays = (col(Perk.worth_minor) > 0) & col(Perk.withdrawn_at).is_(None)
Index("uq_perk_pays", Perk.programme_id, unique=True, sqlite_where=_pays, postgresql_where=_pays)


class PerkNotFound(NotFound):
    """There is no such perk."""


class PaysAlready(Conflict):
    """This programme's payouts are given in another perk. Offer that one no more first."""


class NotHowItPays(Invalid):
    """Only a programme that rewards with money has payouts that could be given in kind, in its own currency."""


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
    worth: Money | None = None,
) -> Perk:
    """Offer a perk from now on; with a `worth`, which finance alone may say, the programme's payouts are given in it. Raises PaysAlready, NotHowItPays."""
    authorize(by, MANAGE if worth is None else PAYS, programme.unit_id)
    if worth is not None:
        _require_free(programme, worth)
    made = Perk(
        programme_id=programme.id,
        unit_id=programme.unit_id,
        name=name,
        description=description,
        points=points,
        stock=stock,
        ends_at=ends_at,
        worth_minor=worth.amount_minor if worth else 0,
    )
    session().add(made)
    session().flush()
    facts = {"name": name, "points": points, "stock": stock, "worth_minor": made.worth_minor}
    audit.record(by, "perk.offered", "perk", made.id, unit_id=made.unit_id, details=facts)
    return made


def _require_free(programme: Programme, worth: Money) -> None:
    if programme.compensation != "cash" or worth.currency != programme.currency or worth.amount_minor <= 0:
        raise NotHowItPays
    if session().exec(select(Perk.id).where(Perk.programme_id == programme.id, _pays)).first() is not None:
        raise PaysAlready


def paying_perk(programme_id: str) -> Perk | None:
    """What a programme's payouts are given in; None where they are money."""
    return session().exec(select(Perk).where(Perk.programme_id == programme_id, _pays, _can_be_had())).first()


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
        wanted = wanted.where(_can_be_had(), col(Perk.stock) > 0, col(Perk.points) > 0)
    return list(session().exec(wanted.order_by(col(Perk.points), col(Perk.id))).all())


def take(perk: Perk, count: int = 1, *, even_if_withdrawn: bool = False) -> None:
    """Take some out of stock, all or none; what a payout was promised is given even when it is offered no more. Raises SoldOut."""
    enough = update(Perk).where(col(Perk.id) == perk.id, col(Perk.stock) >= count)
    if not even_if_withdrawn:
        enough = enough.where(_can_be_had(), col(Perk.points) > 0)
    taken = enough.values(stock=Perk.stock - count)
    if not update_one(taken.execution_options(synchronize_session=False)):
        raise SoldOut
    session().refresh(perk)


def put_back(perk: Perk, count: int = 1) -> None:
    """Some that were ordered are there again."""
    _move_stock(perk, count)


def _can_be_had() -> ColumnElement[bool]:
    in_time = or_(col(Perk.ends_at).is_(None), col(Perk.ends_at) > now())
    return col(Perk.withdrawn_at).is_(None) & in_time


def _move_stock(perk: Perk, more: int) -> None:
    enough = update(Perk).where(col(Perk.id) == perk.id, col(Perk.stock) + more >= 0)
    if not update_one(enough.values(stock=Perk.stock + more).execution_options(synchronize_session=False)):
        raise SoldOut
    session().refresh(perk)
