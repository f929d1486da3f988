"""The right to earn: a pure question over dated facts, asked for the moment of the event."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from advocates import membership as memberships
from curriculum.certification import certified_at
from hub import policies
from hub.programmes import get_programme

Missing = Literal["term", "certification", "policy"]


@dataclass(frozen=True)
class Right:
    """Whether somebody could earn at a moment, and what was missing if not."""

    earns: bool
    missing: tuple[Missing, ...] = ()


def right_to_earn(membership_id: str, at: datetime) -> Right:
    """Whether a membership earned at a moment: in term, certified, every required policy acknowledged."""
    member = memberships.get_membership(membership_id)
    slug = get_programme(member.programme_id).certification_slug
    held: dict[Missing, bool] = {
        "term": memberships.active_at(membership_id, at),
        "certification": certified_at(member.person_id, slug, at),
        "policy": not policies.unacknowledged(member.person_id, member.programme_id, at),
    }
    missing = tuple(name for name, there in held.items() if not there)
    return Right(not missing, missing)
