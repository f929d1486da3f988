"""What a run would pay if it were made now."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlmodel import col

from core.db import session
from core.money import POINTS, Money
from hub.programmes import Programme
from rewards.payouts.owed import Owed, first_owed
from rewards.reward import Reward

SHOWN = 500
"""rows of a preview"""


@dataclass(frozen=True)
class Preview:
    """The first rows, and over all of them: what is approved per currency, and how many rows there are."""

    rows: Sequence[Owed]
    totals: Sequence[Money]
    count: int


def preview(programme: Programme) -> Preview:
    """Who would get what if a run were made now, and who would not and why; at most 500 rows."""
    waiting = waiting_in(programme)
    grouped = (
        select(
            col(Reward.currency),
            func.sum(col(Reward.amount_minor)),
            func.count(col(Reward.membership_id).distinct()),
        )
        .where(waiting)
        .group_by(col(Reward.currency))
        .order_by(col(Reward.currency))
    )
    sums = list(session().execute(grouped))
    return Preview(
        rows=first_owed(waiting, programme, limit=SHOWN),
        totals=[Money(int(amount), currency) for currency, amount, _members in sums],
        count=sum(members for _currency, _amount, members in sums),
    )


def waiting_in(programme: Programme) -> ColumnElement[bool]:
    """Lines of a programme that wait for its next run, as a condition."""
    return (
        (col(Reward.programme_id) == programme.id)
        & (col(Reward.state) == "approved")
        & col(Reward.run_id).is_(None)
        & (col(Reward.currency) != POINTS)
    )
