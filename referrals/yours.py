"""What of the latest conversions was an advocate's, or might have been, with the reason."""

import hashlib
from collections.abc import Sequence

from sqlmodel import col, select

from core.db import session
from core.money import Money
from referrals.conversion_rows import AttributionCandidate, Conversion

SHOWN = 20
Row = tuple[Conversion, AttributionCandidate]


def latest(membership_id: str) -> list[Row]:
    """The newest first, each once."""
    wanted = (
        select(Conversion, AttributionCandidate)
        .where(AttributionCandidate.conversion_id == Conversion.id)
        .where(AttributionCandidate.membership_id == membership_id)
        .order_by(col(Conversion.id).desc(), col(AttributionCandidate.won).desc())
    )
    rows = session().exec(wanted.limit(4 * SHOWN)).all()
    once = {conversion.id: (conversion, candidate) for conversion, candidate in reversed(rows)}
    return list(reversed(once.values()))[:SHOWN]


def stamp(rows: Sequence[Row]) -> str:
    """Changes whenever what is shown of these rows does."""
    said = [(each.id, each.refunded_minor, one.won, one.verdict) for each, one in rows]
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


def amount_of(conversion: Conversion) -> Money | None:
    """What a conversion is about; None for a lead without an amount."""
    return Money(conversion.amount_minor, conversion.currency) if conversion.currency else None


def share_of(conversion: Conversion, mine: AttributionCandidate) -> Money:
    """What of a shared sale counts as the advocate's."""
    return Money(mine.share_minor, conversion.currency)
