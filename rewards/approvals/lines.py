"""Rewards as an approval looks at them: read by the hundred, without an object in the session for each."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import select as select_columns
from sqlmodel import col

from advocates.membership import Membership
from core.money import Money
from core.reading import Columns, Reading, among
from rewards.reward import Reward

AT_ONCE = 500


class Line(NamedTuple):
    """A reward as it was read, and whose it is."""

    id: str
    membership_id: str
    person_id: str
    programme_id: str
    unit_id: str
    conversion_id: str | None
    currency: str
    amount_minor: int
    arithmetic: str
    state: str
    content_hash: str
    round: int
    reversed_minor: int
    approved_by: str | None

    @property
    def amount(self) -> Money:
        """What it stands for."""
        return Money(self.amount_minor, self.currency)


def lines_of(reward_ids: Sequence[str]) -> list[Line]:
    """The lines with these ids, by advocate and id; those that are not there are left out."""
    return sorted((Line(*row) for row in _LINES.rows(reward_ids)), key=_place)


def in_order(reward_ids: Sequence[str]) -> Iterator[list[str]]:
    """The ids by advocate and id, in pieces: acts on many rewards lock in one order, and never each other."""
    places = sorted((member, id_) for id_, member in _PLACES.rows(reward_ids))
    for start in range(0, len(places), AT_ONCE):
        yield [id_ for _member, id_ in places[start : start + AT_ONCE]]


def _place(line: Line) -> tuple[str, str]:
    return line.membership_id, line.id


def _lines() -> Columns:
    of_person = {"person_id": col(Membership.person_id)}
    columns = [of_person.get(name) or getattr(Reward, name) for name in Line._fields]
    member = col(Membership.id) == col(Reward.membership_id)
    return select_columns(*columns).join(Membership, member).where(among(Reward.id))


_LINES = Reading(_lines)
_PLACES = Reading(lambda: select_columns(col(Reward.id), col(Reward.membership_id)).where(among(Reward.id)))
