"""What people wrote when they decided is for the advocates concerned: machines are told that a person decided."""

from collections.abc import Iterable, Sequence

from sqlalchemy import select as select_columns
from sqlmodel import col

from core.access import CLOCK
from core.reading import Reading, among
from referrals.conversions.appeals import AFTER_APPEAL
from referrals.conversions.reassignment import Reassignment

BY_A_PERSON = ": decided by a person"


def written_about(conversion_ids: Iterable[str]) -> dict[str, list[str]]:
    """Conversion → what people wrote who gave it to somebody or took it away."""
    found: dict[str, list[str]] = {}
    for key, why, made_by in _REASSIGNED.rows(conversion_ids):
        if made_by != CLOCK.id and not why.startswith(AFTER_APPEAL):
            found.setdefault(key, []).append(why)
    return found


def left_out(words: Sequence[str], said: str) -> str:
    """A reason or a verdict without these words."""
    for each in words:
        said = said.replace(f": {each} (first: ", f"{BY_A_PERSON} (first: ")
        if said.endswith(f": {each}"):
            said = said.removesuffix(f": {each}") + BY_A_PERSON
    return said


_REASSIGNED = Reading(
    lambda: select_columns(
        col(Reassignment.conversion_id), col(Reassignment.why), col(Reassignment.made_by)
    ).where(among(Reassignment.conversion_id))
)
