"""Whose a conversion might have been, as a reader of some units may know it: nothing of other units' advocates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select as select_columns
from sqlmodel import col

from advocates.membership import Membership
from core.reading import Reading, among
from referrals.conversions.attribution import Source
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion
from referrals.conversions.recording import NewCandidate, NewRow

OTHERS = "an advocate of another unit"


_UNITS = Reading(
    lambda: select_columns(col(Membership.id), col(Membership.unit_id)).where(among(Membership.id))
)


@dataclass(frozen=True)
class SeenCandidate:
    """A candidate as a reader sees it; of another unit's advocate (`hidden`) only that there is one."""

    source: Source
    given: str
    at: datetime
    membership_id: str | None
    link_id: str | None
    won: bool
    verdict: str
    hidden: bool
    weight_basis_points: int = 0
    """of those that won: which part of the conversion"""
    share_minor: int = 0


@dataclass(frozen=True)
class SeenAttribution:
    """Whose a conversion is, and why, as a reader sees it."""

    membership_id: str | None
    link_id: str | None
    reason: str
    candidates: tuple[SeenCandidate, ...]
    hidden: bool
    """another unit's advocate won it"""
    shared: bool = False
    """several advocates have a part of it"""


def narrowed(
    conversions: Sequence[Conversion | NewRow],
    candidates: Mapping[str, Sequence[AttributionCandidate | NewCandidate]],
    units: frozenset[str],
) -> dict[str, SeenAttribution]:
    """Conversion → what a reader of these units may know of its attribution."""
    named = [each.membership_id for found in candidates.values() for each in found]
    wanted = {each for each in [*named, *(one.membership_id for one in conversions)] if each}
    seen = frozenset(key for key, unit_id in _UNITS.rows(wanted) if unit_id in units)
    return {each.id: _attribution(each, candidates[each.id], units, seen) for each in conversions}


def _attribution(
    conversion: Conversion | NewRow,
    candidates: Sequence[AttributionCandidate | NewCandidate],
    units: frozenset[str],
    seen: frozenset[str],
) -> SeenAttribution:
    hidden = conversion.membership_id is not None and conversion.membership_id not in seen
    brought = conversion.unit_id in units
    shown = tuple(_candidate(each, seen, brought=brought, winner_hidden=hidden) for each in candidates)
    if hidden:
        return SeenAttribution(None, None, f"won: {OTHERS}", shown, hidden, conversion.shared)
    whose = (conversion.membership_id, conversion.link_id)
    return SeenAttribution(*whose, conversion.reason, shown, hidden, conversion.shared)


def _candidate(
    row: AttributionCandidate | NewCandidate, seen: frozenset[str], *, brought: bool, winner_hidden: bool
) -> SeenCandidate:
    if row.membership_id is not None and row.membership_id not in seen:
        verdict = f"won: {OTHERS}" if row.won else "did not win"
        return SeenCandidate(row.source, "", row.at, None, None, row.won, verdict, True, *_part(row))
    # What was sent and is no seen advocate's, or is a shop's own id of a customer (an address, perhaps), is told to those
    # whose shop sent it: it may be of another unit.
    ours = brought or (row.membership_id is not None and row.source != "customer")
    given = row.given if ours else ""
    lost = winner_hidden and row.verdict.startswith("lost to ")
    verdict = f"lost to {OTHERS}" if lost else row.verdict
    whose = (row.membership_id, row.link_id)
    return SeenCandidate(row.source, given, row.at, *whose, row.won, verdict, False, *_part(row))


def _part(row: AttributionCandidate | NewCandidate) -> tuple[int, int]:
    return (row.weight_basis_points, row.share_minor) if row.won else (0, 0)
