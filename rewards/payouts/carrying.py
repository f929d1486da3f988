"""Carrying a sum from one payout to the next: a line that takes it out of the one, and a line that brings it back."""

from datetime import datetime
from typing import NamedTuple

from core.access import Actor
from core.clock import day_number
from core.money import Money
from rewards.reward import Reward, State, content_hash


class Inside(NamedTuple):
    """The payout that a line takes from."""

    run_id: str
    payout_id: str
    state: State


class Whose(NamedTuple):
    """Whose lines they are, and where."""

    membership_id: str
    programme_id: str
    unit_id: str


def carry_line(
    whose: Whose, sum_: Money, *, key: str, says: str, by: Actor, at: datetime, out_of: Inside | None
) -> Reward:
    """A line over a sum, not stored yet: out of a payout, or without one, to be paid with the next. Nothing is posted."""
    amount = -sum_.amount_minor if out_of else sum_.amount_minor
    line = Reward(
        grant_key=f"{key}:{'out' if out_of else 'in'}",
        **whose._asdict(),
        kind="carry",
        currency=sum_.currency,
        granted_minor=amount,
        amount_minor=amount,
        arithmetic=says,
        state=out_of.state if out_of else "approved",
        approved_by=by.id,
        approved_at=at,
        payable_at=at,
        run_id=out_of.run_id if out_of else None,
        payout_id=out_of.payout_id if out_of else None,
        occurred_at=at,
        day=day_number(at),
        made_at=at,
    )
    line.content_hash = content_hash(line)
    return line
