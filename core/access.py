"""Who may do what: one question, `authorize`, over the rights that somebody holds now."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from core.errors import Forbidden, NotFound

log = structlog.get_logger()

NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Actor:
    """Who acts: a person, a key or the clock, with the units in which each action is allowed."""

    kind: str
    """person, key or system"""
    id: str
    name: str
    rights: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """action → ids of the units in which it is allowed"""

    def units_for(self, action: str) -> frozenset[str]:
        """The units in which the actor may do `action`; every query of a door starts from them."""
        return self.rights.get(action, NOBODY)

    def may(self, action: str, unit_id: str | None = None) -> bool:
        """Whether `action` is allowed in `unit_id`, or anywhere when no unit is named."""
        units = self.units_for(action)
        return bool(units) if unit_id is None else unit_id in units

    @property
    def sees(self) -> frozenset[str]:
        """Every unit in which the actor may do anything."""
        return frozenset().union(*self.rights.values())

    @property
    def person_id(self) -> str | None:
        """The acting person, None for keys and the clock."""
        return self.id if self.kind == "person" else None


CLOCK = Actor("system", "clock", "Spokes, by the clock")
RULE = Actor("system", "rule", "Spokes, by rule")
COMMAND = Actor("system", "command", "an operator, by command")


def authorize(actor: Actor, action: str, unit_id: str) -> None:
    """Let `actor` do `action` in the unit, or refuse: NotFound outside what they see, Forbidden within; both logged."""
    if actor.may(action, unit_id):
        return
    seen = unit_id in actor.sees
    log.warning("refused", actor=actor.id, action=action, unit=unit_id, seen=seen)
    raise Forbidden if seen else NotFound


def authorize_anywhere(actor: Actor, action: str) -> None:
    """Let `actor` in where `action` is allowed in some unit; the queries behind narrow it to those units."""
    if not actor.may(action):
        log.warning("refused", actor=actor.id, action=action)
        raise Forbidden
