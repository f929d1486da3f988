"""Units: the hub at the root, spokes below it."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Text
from sqlalchemy import select as select_columns
from sqlmodel import Field, SQLModel, col, select

from core.columns import key
from core.db import session
from core.errors import Conflict, NotFound
from core.reading import Reading


class Unit(SQLModel, table=True):
    """A business unit, region or product group; the one without a parent is the hub."""

    __tablename__ = "unit"

    id: str = key()
    parent_id: str | None = Field(default=None, foreign_key="unit.id", sa_type=Text)
    slug: str = Field(unique=True, sa_type=Text)
    name: str = Field(sa_type=Text)


class HubExists(Conflict):
    """There is already a hub: a new unit needs a parent."""


class UnitExists(Conflict):
    """There is already a unit with this short name."""


class UnitNotFound(NotFound):
    """There is no such unit."""


def create_unit(slug: str, name: str, *, parent: Unit | None) -> Unit:
    """Add a unit below `parent`, or the hub when there is none yet. Raises HubExists, UnitExists."""
    if parent is None and find_hub() is not None:
        raise HubExists
    if find_unit(slug) is not None:
        raise UnitExists
    unit = Unit(slug=slug, name=name, parent_id=parent.id if parent else None)
    session().add(unit)
    session().flush()
    return unit


def find_hub() -> Unit | None:
    """The root of all units, None before the first start."""
    return session().exec(select(Unit).where(col(Unit.parent_id).is_(None))).first()


def find_unit(slug: str) -> Unit | None:
    """The unit with this short name."""
    return session().exec(select(Unit).where(Unit.slug == slug)).first()


def get_unit(unit_id: str) -> Unit:
    """The unit with this id; raises UnitNotFound."""
    unit = session().get(Unit, unit_id)
    if unit is None:
        raise UnitNotFound
    return unit


def all_units() -> list[Unit]:
    """Every unit, by name; there are tens of them, not thousands."""
    return list(session().exec(select(Unit).order_by(Unit.name)).all())


class Place(NamedTuple):
    """A unit's place in the tree."""

    id: str
    parent_id: str | None


def places() -> list[Place]:
    """Every unit's place: what `reach` needs, at the smallest cost."""
    return [Place(*row) for row in _PLACES.all()]


_PLACES = Reading(lambda: select_columns(col(Unit.id), col(Unit.parent_id)))


def reach(unit_id: str, units: Sequence[Unit | Place] | None = None) -> frozenset[str]:
    """The ids of a unit and everything below it; `units` spares a query."""
    units = places() if units is None else units
    reached = {unit_id}
    grew = True
    while grew:
        below = {unit.id for unit in units if unit.parent_id in reached}
        grew = not below <= reached
        reached |= below
    return frozenset(reached)
