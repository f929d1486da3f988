"""Approval is explicit, never by silence: it binds the exact content that was seen, and nobody approves their own."""

from collections.abc import Iterable, Sequence

from sqlmodel import col, select

from advocates.membership import get_membership
from core.access import Actor, authorize
from core.db import session
from core.errors import Conflict, Invalid
from rewards import changes
from rewards.approvals import holds, reviews
from rewards.approvals.approving import (
    MOST,
    Approved,
    OwnReward,
    RewardsChanged,
    SamePerson,
    Seen,
    TooMany,
    approve,
    needs_second,
    waits_for_second,
)
from rewards.approvals.asking import APPROVE, APPROVE_SECOND, ask_first
from rewards.ledger import ledger
from rewards.ledger.ledger import Entry
from rewards.reward import UNDECIDED, Reward
from rewards.taking_back import open_questions, taking_back

__all__ = [
    "APPROVE", "APPROVE_SECOND", "MOST_PICKED", "Approved", "NotUndecided", "NotUndoable", "OwnReward", "ReasonNeeded",
    "RewardsChanged", "SamePerson", "Seen", "TooMany", "approve", "as_shown", "deny", "deny_many", "hold", "needs_second",
    "release", "undo", "waits_for_second",
]  # fmt: skip
MOST_PICKED = 1_000
"""rewards that are picked one by one"""


class NotUndecided(Conflict):
    """This reward was already decided."""


class NotUndoable(Conflict):
    """This cannot be undone any more: it is in a payout, or a refund already took part of it back."""


class ReasonNeeded(Invalid):
    """Please give a reason: the advocate reads it."""


def as_shown(picked: Sequence[Seen]) -> list[Reward]:
    """The picked rewards, all of them just as they were shown; raises RewardsChanged, TooMany."""
    if not 0 < len(picked) <= MOST:
        raise TooMany
    wanted = {each.reward_id: each.content_hash for each in picked}
    found = _in_order(wanted)
    if changed := wanted.keys() - {each.id for each in found if each.content_hash == wanted[each.id]}:
        raise RewardsChanged(details={"changed": sorted(changed)})
    return found


def _in_order(wanted: Iterable[str]) -> list[Reward]:
    """By advocate, then id: two acts on many rewards lock rows and balances in the same order, and never each other."""
    order = col(Reward.membership_id), col(Reward.id)
    return list(session().exec(select(Reward).where(col(Reward.id).in_(wanted)).order_by(*order)).all())


def _require_not_own(reward: Reward, by: Actor) -> None:
    if by.person_id == get_membership(reward.membership_id).person_id:
        raise OwnReward


def deny(reward: Reward, *, by: Actor, reason: str) -> None:
    """Deny an undecided reward with a reason; raises NotUndecided, ReasonNeeded, OwnReward, NotFound or Forbidden."""
    ledger.post(_deny(reward, by, reason))


def deny_many(picked: Sequence[Seen], *, by: Actor, reason: str) -> None:
    """Deny all of these, just as they were shown, or none; raises as `deny` and `as_shown` do."""
    ledger.post_all([_deny(each, by, reason) for each in as_shown(picked)])


def _deny(reward: Reward, by: Actor, reason: str) -> Entry:
    said = _may_decide(reward, by, reason)
    entry = taking_back.denied(reward, said, by)
    if entry is None:
        raise NotUndecided
    return entry


def hold(reward: Reward, *, by: Actor, reason: str) -> None:
    """Hold an undecided reward back for review; raises as `deny` does."""
    said = _may_decide(reward, by, reason)
    if not holds.hold(reward, "person", said, by=by):
        raise NotUndecided


def release(reward: Reward, *, by: Actor) -> None:
    """End a hold, also for a dispute: the reward waits, for its hold's end or for approval; raises NotUndecided, InReview."""
    authorize(by, APPROVE, reward.unit_id)
    _require_not_own(reward, by)
    reviews.look_first(reward)
    reviews.require_none(reward)
    if not holds.let_go(reward, "person", "dispute", by=by):
        raise NotUndecided


def undo(reward: Reward, *, by: Actor) -> None:
    """Take an approval back, as long as the reward is in no payout; raises NotUndoable, OwnReward."""
    authorize(by, APPROVE, reward.unit_id)
    _require_not_own(reward, by)
    clawed_back = select(Reward.id).where(Reward.parent_id == reward.id)
    decided = reward.state == "approved" or waits_for_second(reward)
    if reward.kind != "earned" or not decided or session().exec(clawed_back).first() is not None:
        raise NotUndoable
    was_payable = reward.state == "approved"
    if not changes.change(reward, state="approvable", **changes.UNAPPROVED):
        raise NotUndoable
    if was_payable:
        goal = ledger.pending(reward.membership_id)
        ledger.post(
            changes.entry(reward, "reward.approval_undone", ledger.payable(reward.membership_id), goal)
        )
    changes.off_the_list(reward, by)
    ask_first(reward)
    changes.note(reward, "reward.approval_undone", by)
    if reward.conversion_id is not None:
        open_questions.hold_again(reward.conversion_id)


def _may_decide(reward: Reward, by: Actor, reason: str) -> str:
    authorize(by, APPROVE_SECOND if waits_for_second(reward) else APPROVE, reward.unit_id)
    _require_not_own(reward, by)
    if not reason.strip():
        raise ReasonNeeded
    if reward.state not in UNDECIDED:
        raise NotUndecided
    reviews.require_none(reward)
    return reason.strip()
