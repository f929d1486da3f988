"""Approving everything that a filter fits: shown as sums first, then all of it just as it was shown, or nothing."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, case, func, or_
from sqlalchemy import select as select_columns
from sqlmodel import col

from advocates.membership import Membership
from core.access import Actor, authorize_anywhere
from core.db import session
from core.money import Money
from rewards.approvals.approving import MOST, Approved, RewardsChanged, Seen, approve
from rewards.approvals.asking import APPROVE, APPROVE_SECOND
from rewards.reward import Reward
from rewards.rewards_page import RewardsQuery, fits, has_signals, takes_two


@dataclass(frozen=True)
class Sum:
    """Rewards of a currency."""

    money: Money
    count: int


@dataclass(frozen=True)
class Everything:
    """What would be approved, and what would not and why."""

    picked: Sequence[Seen]
    sums: Sequence[Sum]
    second: int
    """of these, how many then wait for a second person"""
    signals: int
    """of these, how many have signs of fraud that were not enough to hold them"""
    held: Sequence[Sum]
    """left out: under review"""
    own: int
    """left out: of the person who looks"""
    started: int
    """left out: somebody approved them already, and a second person has to"""
    unstarted: int
    """left out: somebody else has to approve them first"""
    more: bool
    """there are more than one act takes; these are the oldest"""

    @property
    def digest(self) -> str:
        """What an approval of all of it binds: every reward and the content that was shown."""
        lines = sorted(f"{each.reward_id}:{each.content_hash}" for each in self.picked)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def everything(query: RewardsQuery, by: Actor) -> Everything:
    """What fits the filters and waits for an approval that this person may give: the first one, the second one, or either."""
    if not by.may(APPROVE_SECOND):
        authorize_anywhere(by, APPROVE)
    approvable = query.model_copy(update={"state": "approvable"})
    fresh = col(Reward.approved_by).is_(None)
    first = fits(by, approvable, right=APPROVE) & fresh
    second = fits(by, approvable, right=APPROVE_SECOND) & (col(Reward.approved_by) != by.id)
    waiting = or_(first, second)
    own = col(Reward.membership_id).in_(
        select_columns(col(Membership.id)).where(col(Membership.person_id) == (by.person_id or ""))
    )
    oldest = (
        select_columns(col(Reward.id), col(Reward.content_hash))
        .where(waiting, ~own)
        .order_by(col(Reward.id))
        .limit(MOST + 1)
    )
    picked = [Seen(*row) for row in session().execute(oldest)]
    upto = picked[MOST - 1].reward_id if len(picked) > MOST else None
    these = waiting & ~own if upto is None else waiting & ~own & (col(Reward.id) <= upto)
    held = fits(by, query.model_copy(update={"state": "held"}))
    counted = select_columns(
        func.sum(case((fresh & takes_two(), 1), else_=0)), func.sum(case((has_signals(), 1), else_=0))
    )
    then, signals = session().execute(counted.where(these)).one()
    return Everything(
        picked=picked[:MOST],
        sums=_sums(these),
        second=int(then or 0),
        signals=int(signals or 0),
        held=_sums(held),
        own=_count(waiting & own),
        started=_count(fits(by, approvable) & ~fresh & ~second),
        unstarted=_count(fits(by, approvable) & fresh & ~first),
        more=upto is not None,
    )


def approve_everything(query: RewardsQuery, digest: str, *, by: Actor) -> Approved:
    """Approve what `everything` showed; raises RewardsChanged when it is not that any more, and as `approve` does."""
    found = everything(query, by)
    if found.digest != digest:
        raise RewardsChanged
    return approve(found.picked, by=by)


def _sums(these: ColumnElement[bool]) -> list[Sum]:
    total = (
        select_columns(col(Reward.currency), func.sum(col(Reward.amount_minor)), func.count())
        .where(these)
        .group_by(col(Reward.currency))
        .order_by(func.sum(col(Reward.amount_minor)).desc())
    )
    return [Sum(Money(int(amount), currency), count) for currency, amount, count in session().execute(total)]


def _count(these: ColumnElement[bool]) -> int:
    return int(session().execute(select_columns(func.count()).where(these)).scalar_one())
