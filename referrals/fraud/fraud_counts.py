"""How many conversions advocates have and had, as signs of fraud are measured by: a few sums for many of them at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, union_all
from sqlalchemy import select as select_columns
from sqlmodel import col

from core.clock import day_number, now
from core.db import session
from hub.metrics import LadderStep, periods_of
from referrals.conversions.conversion_rows import AttributionCandidate, Conversion

MONTH, QUARTER = timedelta(days=30), timedelta(days=90)
_FACTS: tuple[Any, ...] = (
    col(Conversion.id),
    col(Conversion.kind),
    col(Conversion.occurred_at),
    col(Conversion.refunded_minor),
)


@dataclass(frozen=True)
class Held:
    """What some advocates have; a part of a shared conversion is one, too."""

    members: Sequence[str]
    sharing: Sequence[str]
    """those of them that may have parts of what counts for others: of the rest nobody looks for any"""

    def since(self, moment: datetime, until: datetime | None = None) -> Any:  # noqa: ANN401 - a SELECT's alias
        """Who (`member`) has what, of the conversions after a moment."""
        when: list[Any] = [col(Conversion.occurred_at) > moment]
        when += [col(Conversion.occurred_at) <= until] if until else []
        mine = select_columns(col(Conversion.membership_id).label("member"), *_FACTS)
        mine = mine.where(col(Conversion.membership_id).in_(self.members), *when)
        if not self.sharing:
            return mine.subquery()
        parts = (
            select_columns(col(AttributionCandidate.membership_id), *_FACTS)
            .join(Conversion, col(Conversion.id) == col(AttributionCandidate.conversion_id))
            .where(
                col(AttributionCandidate.membership_id).in_(self.sharing),
                col(AttributionCandidate.won).is_(True),
                col(Conversion.shared).is_(True),
                col(Conversion.membership_id) != col(AttributionCandidate.membership_id),
                *when,
            )
        )
        return union_all(mine, parts).subquery()


def moments_of(held: Held, after: datetime, until: datetime) -> dict[str, list[datetime]]:
    """Membership → when its conversions between two moments happened, in order."""
    around = held.since(after, until).c
    found: dict[str, list[datetime]] = {}
    when = select_columns(around.member, around.occurred_at).order_by(around.occurred_at)
    for member, moment in session().execute(when):
        found.setdefault(member, []).append(moment)
    return found


def counts_of(held: Held) -> dict[str, dict[str, int]]:
    """Membership → thirty, sales, given_back, by_click, clicks, as far as there are any."""
    counts: dict[str, dict[str, int]] = {}
    for member, *numbers in session().execute(_sums(held)):
        names = ("thirty", "sales", "given_back")
        counts[member] = {name: int(each or 0) for name, each in zip(names, numbers, strict=True)}
    for name, found in (("by_click", _by_click(held)), ("clicks", _clicks(held.members))):
        for member, number in found.items():
            counts.setdefault(member, {})[name] = number
    return counts


def _sums(held: Held) -> Any:  # noqa: ANN401 - a SELECT
    lately = held.since(now() - QUARTER).c
    recent = case((lately.occurred_at > now() - MONTH, 1), else_=0)
    sale = case((lately.kind == "sale", 1), else_=0)
    back = case((lately.refunded_minor > 0, 1), else_=0)
    summed = select_columns(lately.member, func.sum(recent), func.sum(sale), func.sum(back))
    return summed.group_by(lately.member)


def _by_click(held: Held) -> dict[str, int]:
    """Conversions that an advocate's own click won."""
    lately = held.since(now() - MONTH).c
    clicked = (
        select_columns(lately.member, func.count())
        .join(AttributionCandidate, col(AttributionCandidate.conversion_id) == lately.id)
        .where(
            col(AttributionCandidate.membership_id) == lately.member,
            col(AttributionCandidate.won).is_(True),
            col(AttributionCandidate.source) == "click",
        )
    )
    return _numbers(clicked.group_by(lately.member))


def _clicks(members: Sequence[str]) -> dict[str, int]:
    """Counted clicks of this and the last month, from the scoreboard."""
    months = {periods_of(day_number(moment))[-1] for moment in (now(), now() - MONTH)}
    counted = select_columns(col(LadderStep.member_id), func.sum(col(LadderStep.value))).where(
        col(LadderStep.metric) == "clicks",
        col(LadderStep.period).in_(sorted(months)),
        col(LadderStep.member_id).in_(members),
    )
    return _numbers(counted.group_by(col(LadderStep.member_id)))


def _numbers(statement: Any) -> dict[str, int]:  # noqa: ANN401 - a SELECT of (membership, number)
    return {member: int(number) for member, number in session().execute(statement)}
