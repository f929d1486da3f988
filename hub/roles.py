"""Roles: person × unit × role × dates, and what each role may do. A role reaches its unit and everything below it."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import Text
from sqlmodel import Field, SQLModel, col, or_, select

from core import audit
from core.access import Actor
from core.api_keys import HeldKey
from core.clock import now
from core.columns import key, moment, one_of, word
from core.db import session
from core.errors import Invalid
from core.people import Person
from hub.units import all_units, get_unit, reach

Role = Literal["hub_admin", "manager", "reviewer", "finance", "marketing"]
ROLES: tuple[Role, ...] = get_args(Role)

EVERYONE: frozenset[Role] = frozenset(ROLES)
ALLOWED: dict[str, frozenset[Role]] = {
    "unit.see": EVERYONE,
    "unit.manage": frozenset({"hub_admin"}),
    "programme.see": EVERYONE,
    "programme.manage": frozenset({"hub_admin", "manager"}),
    "programme.four_eyes": frozenset({"hub_admin", "finance"}),
    "application.see": frozenset({"hub_admin", "manager", "reviewer"}),
    "application.review": frozenset({"hub_admin", "manager", "reviewer"}),
    "advocate.see": EVERYONE,
    "advocate.manage": frozenset({"hub_admin", "manager"}),
    "activity.decide": frozenset({"hub_admin", "manager", "reviewer"}),
    "curriculum.see": frozenset({"hub_admin", "manager", "reviewer"}),
    "curriculum.manage": frozenset({"hub_admin", "manager"}),
    "link.see": frozenset({"hub_admin", "manager", "marketing"}),
    "link.manage": frozenset({"hub_admin", "manager"}),
    "conversion.see": frozenset({"hub_admin", "manager", "marketing", "finance"}),
    "conversion.import": frozenset({"hub_admin", "manager"}),
    "fraud.see": frozenset({"hub_admin", "manager", "finance"}),
    "fraud.decide": frozenset({"hub_admin", "manager"}),
    "appeal.decide": frozenset({"hub_admin", "manager"}),
    "reward.see": frozenset({"hub_admin", "manager", "finance"}),
    "reward.approve": frozenset({"hub_admin", "manager"}),
    "reward.approve_second": frozenset({"finance"}),
    "payout.see": frozenset({"hub_admin", "manager", "finance"}),
    "payout.run": frozenset({"finance"}),
    "leaderboard.see": EVERYONE,
    "leaderboard.export": frozenset({"hub_admin", "manager", "marketing"}),
    "leaderboard.emails": frozenset({"hub_admin", "manager"}),
    "webhook.manage": frozenset({"hub_admin", "manager"}),
    "audit.see": frozenset({"hub_admin"}),
    "settings.see": frozenset({"hub_admin"}),
    "settings.manage": frozenset({"hub_admin"}),
}
"""action → the roles that allow it; the names are `thing.verb`."""


class RoleGrant(SQLModel, table=True):
    """Somebody's role in a unit, from when until when."""

    __tablename__ = "role_grant"
    __table_args__ = (one_of("role", ROLES),)

    id: str = key()
    person_id: str = Field(foreign_key="person.id", index=True, sa_type=Text)
    unit_id: str = Field(foreign_key="unit.id", sa_type=Text)
    role: Role = word()
    starts_at: datetime = moment(now)
    ends_at: datetime | None = moment(optional=True)


class OnlyInTheHub(Invalid):
    """A hub admin acts everywhere, so the role exists in the hub only. Choose another for this unit."""


def give_role(person: Person, role: Role, unit_id: str, *, by: Actor) -> RoleGrant:
    """Give a person a role in a unit from now on; giving it twice changes nothing. Raises OnlyInTheHub."""
    if role == "hub_admin" and get_unit(unit_id).parent_id is not None:
        raise OnlyInTheHub
    for held in current_roles(person.id):
        if held.role == role and held.unit_id == unit_id:
            return held
    grant = RoleGrant(person_id=person.id, unit_id=unit_id, role=role)
    session().add(grant)
    session().flush()
    audit.record(by, "role.given", "person", person.id, unit_id=unit_id, details={"role": role})
    return grant


def end_role(grant: RoleGrant, *, by: Actor) -> None:
    """End a role now; one that has ended stays as it is."""
    if grant.ends_at is not None and grant.ends_at <= now():
        return
    grant.ends_at = now()
    session().add(grant)
    audit.record(
        by, "role.ended", "person", grant.person_id, unit_id=grant.unit_id, details={"role": grant.role}
    )


def current_roles(person_id: str) -> list[RoleGrant]:
    """The roles that a person holds now."""
    at = now()
    running = or_(col(RoleGrant.ends_at).is_(None), col(RoleGrant.ends_at) > at)
    held = select(RoleGrant).where(RoleGrant.person_id == person_id, RoleGrant.starts_at <= at, running)
    return list(session().exec(held).all())


def staff_actor(person: Person) -> Actor:
    """The person as an actor with the rights of all their roles; without a role they have none."""
    return Actor("person", person.id, person.name, _rights(current_roles(person.id)))


def _rights(grants: Iterable[RoleGrant]) -> dict[str, frozenset[str]]:
    units = all_units()
    rights: defaultdict[str, set[str]] = defaultdict(set)
    for grant in grants:
        reached = reach(grant.unit_id, units)
        for action, roles in ALLOWED.items():
            if grant.role in roles:
                rights[action] |= reached
    return {action: frozenset(where) for action, where in rights.items()}


def key_actor(key: HeldKey) -> Actor:
    """An API key as an actor: its scopes are its actions, in its unit and below."""
    reached = reach(key.unit_id)
    return Actor("key", key.id, key.name, dict.fromkeys(key.scopes, reached))


def holders(action: str, unit_id: str) -> list[Person]:
    """The people who may do `action` in a unit now, for asking them to."""
    units = all_units()
    above = [unit.id for unit in units if unit_id in reach(unit.id, units)]
    at = now()
    held = select(RoleGrant.person_id).where(
        col(RoleGrant.role).in_(ALLOWED[action]),
        col(RoleGrant.unit_id).in_(above),
        RoleGrant.starts_at <= at,
        or_(col(RoleGrant.ends_at).is_(None), col(RoleGrant.ends_at) > at),
    )
    able = select(Person).where(col(Person.id).in_(held), col(Person.disabled_at).is_(None))
    return list(session().exec(able.order_by(Person.email)).all())


def staff_of(unit_id: str) -> list[Person]:
    """The people who hold a role now that reaches a unit, or one in a unit below it."""
    units = all_units()
    near = {unit.id for unit in units if unit_id in reach(unit.id, units)} | reach(unit_id, units)
    at = now()
    held = select(RoleGrant.person_id).where(
        col(RoleGrant.unit_id).in_(near),
        RoleGrant.starts_at <= at,
        or_(col(RoleGrant.ends_at).is_(None), col(RoleGrant.ends_at) > at),
    )
    return list(session().exec(select(Person).where(col(Person.id).in_(held))).all())
