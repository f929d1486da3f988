"""Approval is explicit, never by silence: it binds the exact content that was seen, and nobody approves their own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlmodel import col, select

from advocates.membership import get_membership
from core.access import Actor, authorize
from core.clock import now
from core.db import session
from core.errors import Conflict, Forbidden, Invalid
from core.money import Money
from hub import actions
from hub.programmes import Programme, get_programme
from rewards import changes, ledger, reviews
from rewards.asking import APPROVE, APPROVE_SECOND, ask_first, ask_second
from rewards.ledger import Entry
from rewards.reward import UNDECIDED, Reward

__all__ = [
    "APPROVE", "APPROVE_SECOND", "Approved", "NotUndecided", "NotUndoable", "OwnReward", "ReasonNeeded",
    "RewardsChanged", "SamePerson", "Seen", "TooMany", "approve", "as_shown", "deny", "deny_many", "hold", "needs_second",
    "release", "undo", "waits_for_second",
]  # fmt: skip
MOST = 1_000
"""rewards in one act"""


@dataclass(frozen=True)
class Seen:
    """A reward with the hash of the content that was shown."""

    reward_id: str
    content_hash: str


@dataclass(frozen=True)
class Approved:
    """What an approval did: rewards that are now payable, and those that wait for a second person."""

    payable: tuple[Reward, ...]
    waiting: tuple[Reward, ...]

    def totals(self) -> list[Money]:
        """What became payable, per currency."""
        sums: dict[str, int] = {}
        for each in self.payable:
            sums[each.currency] = sums.get(each.currency, 0) + each.amount_minor
        return [Money(amount, currency) for currency, amount in sorted(sums.items())]


class RewardsChanged(Conflict):
    """Something changed since you saw it, so nothing was approved. Please look again."""


class OwnReward(Forbidden):
    """Nobody decides about their own rewards."""


class SamePerson(Forbidden):
    """The second approval has to come from somebody else."""


class NotUndecided(Conflict):
    """This reward was already decided."""


class NotUndoable(Conflict):
    """This cannot be undone any more: it is in a payout, or a refund already took part of it back."""


class ReasonNeeded(Invalid):
    """Please give a reason: the advocate reads it."""


class TooMany(Invalid):
    """Please pick between 1 and 1,000 rewards at once."""


def approve(picked: Sequence[Seen], *, by: Actor) -> Approved:
    """Approve all of these or none.

    A reward above its programme's four-eyes threshold becomes payable with the approval of a second person who holds
    reward.approve_second. Raises RewardsChanged (also when decided meanwhile), OwnReward, SamePerson, TooMany,
    NotFound or Forbidden by unit.
    """
    if not 0 < len(picked) <= MOST:
        raise TooMany
    wanted = {each.reward_id: each.content_hash for each in picked}
    found = _in_order(wanted)
    reviews.look_first(*found)  # late news that the clock has not looked at yet
    changed = wanted.keys() - {each.id for each in found}
    changed |= {each.id for each in found if not _as_seen(each, wanted[each.id])}
    payable: list[Reward] = []
    waiting: list[Reward] = []
    for reward in found:
        _authorize(reward, by)
        if reward.id in changed:
            continue
        if not _give(reward, by):
            changed.add(reward.id)
        (payable if reward.state == "approved" else waiting).append(reward)
    if changed:
        raise RewardsChanged(details={"changed": sorted(changed)})
    ledger.post_all([_approval(each) for each in payable])
    return Approved(tuple(payable), tuple(waiting))


def _in_order(wanted: Iterable[str]) -> list[Reward]:
    """By advocate, then id: two acts on many rewards lock rows and balances in the same order, and never each other."""
    order = col(Reward.membership_id), col(Reward.id)
    return list(session().exec(select(Reward).where(col(Reward.id).in_(wanted)).order_by(*order)).all())


def _as_seen(reward: Reward, content_hash: str) -> bool:
    return reward.state == "approvable" and reward.content_hash == content_hash


def as_shown(picked: Sequence[Seen]) -> list[Reward]:
    """The picked rewards, all of them just as they were shown; raises RewardsChanged, TooMany."""
    if not 0 < len(picked) <= MOST:
        raise TooMany
    wanted = {each.reward_id: each.content_hash for each in picked}
    found = _in_order(wanted)
    if changed := wanted.keys() - {each.id for each in found if each.content_hash == wanted[each.id]}:
        raise RewardsChanged(details={"changed": sorted(changed)})
    return found


def waits_for_second(reward: Reward) -> bool:
    """Whether the first person approved and the second is still missing."""
    return reward.state == "approvable" and reward.approved_by is not None


def needs_second(reward: Reward, programme: Programme) -> bool:
    """Whether a second person is needed: above the threshold, or in a currency it does not speak about."""
    return reward.currency != programme.currency or reward.amount_minor > programme.four_eyes_above_minor


def _authorize(reward: Reward, by: Actor) -> None:
    authorize(by, APPROVE_SECOND if waits_for_second(reward) else APPROVE, reward.unit_id)
    _require_not_own(reward, by)


def _require_not_own(reward: Reward, by: Actor) -> None:
    if by.person_id == get_membership(reward.membership_id).person_id:
        raise OwnReward


def _give(reward: Reward, by: Actor) -> bool:
    """Give the approval that is missing; False when somebody was quicker."""
    if waits_for_second(reward):
        if reward.approved_by == by.id:
            raise SamePerson
        return _become_payable(reward, by, second=True)
    if needs_second(reward, get_programme(reward.programme_id)):
        return _first_of_two(reward, by)
    return _become_payable(reward, by, second=False)


def _first_of_two(reward: Reward, by: Actor) -> bool:
    if not changes.change(reward, approved_by=by.id, approved_at=now()):
        return False
    actions.done(APPROVE, reward.id, by=by)
    ask_second(reward)
    changes.note(reward, "reward.approved_first", by)
    return True


def _become_payable(reward: Reward, by: Actor, *, second: bool) -> bool:
    given: dict[str, object] = {"state": "approved", "round": reward.round + 1, "payable_at": now()}
    names = ("second_approved_by", "second_approved_at") if second else ("approved_by", "approved_at")
    if not changes.change(reward, **given, **dict(zip(names, (by.id, now()), strict=True))):
        return False
    actions.done(APPROVE_SECOND if second else APPROVE, reward.id, by=by)
    changes.note(reward, "reward.approved", by)
    return True


def _approval(reward: Reward) -> Entry:
    source, goal = ledger.pending(reward.membership_id), ledger.payable(reward.membership_id)
    return changes.entry(reward, "reward.approved", source, goal)


def deny(reward: Reward, *, by: Actor, reason: str) -> None:
    """Deny an undecided reward with a reason; raises NotUndecided, ReasonNeeded, OwnReward, NotFound or Forbidden."""
    ledger.post(_deny(reward, by, reason))


def deny_many(picked: Sequence[Seen], *, by: Actor, reason: str) -> None:
    """Deny all of these, just as they were shown, or none; raises as `deny` and `as_shown` do."""
    ledger.post_all([_deny(each, by, reason) for each in as_shown(picked)])


def _deny(reward: Reward, by: Actor, reason: str) -> Entry:
    said = _may_decide(reward, by, reason)
    if not changes.change(
        reward, state="denied", state_reason=said, round=reward.round + 1, approved_by=None, approved_at=None
    ):
        raise NotUndecided
    changes.off_the_list(reward, by)
    changes.note(reward, "reward.denied", by, reason=said)
    return changes.denial(reward)


def hold(reward: Reward, *, by: Actor, reason: str) -> None:
    """Hold an undecided reward back for review; raises as `deny` does."""
    said = _may_decide(reward, by, reason)
    if not changes.change(reward, state="held", state_reason=said, approved_by=None, approved_at=None):
        raise NotUndecided
    changes.off_the_list(reward, by)
    changes.note(reward, "reward.held", by, reason=said)


def release(reward: Reward, *, by: Actor) -> None:
    """End a hold: the reward waits, for its hold's end or for approval; raises NotUndecided when it is not held."""
    authorize(by, APPROVE, reward.unit_id)
    _require_not_own(reward, by)
    reviews.look_first(reward)
    reviews.require_none(reward)
    if not reviews.let_go(reward, by):
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


def _may_decide(reward: Reward, by: Actor, reason: str) -> str:
    authorize(by, APPROVE_SECOND if waits_for_second(reward) else APPROVE, reward.unit_id)
    _require_not_own(reward, by)
    if not reason.strip():
        raise ReasonNeeded
    if reward.state not in UNDECIDED:
        raise NotUndecided
    reviews.require_none(reward)
    return reason.strip()
