"""Approving one reward or ten thousand: all of them just as they were seen, or none; a statement for many at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core import bulk
from core.access import Actor, authorize
from core.clock import now
from core.db import session
from core.errors import Conflict, Forbidden, Invalid
from core.money import Money
from hub import actions
from hub.programmes import Programme, get_programme
from referrals.fraud import fraud_work
from rewards import changes
from rewards.approvals.asking import APPROVE, APPROVE_SECOND, ask_second
from rewards.approvals.lines import Line, in_order, lines_of
from rewards.ledger import ledger
from rewards.ledger.ledger import Entry
from rewards.reward import Reward

MOST = 10_000
"""rewards in one act"""
_AS_READ = ("id", "state", "content_hash", "round", "reversed_minor", "approved_by", "run_id")


@dataclass(frozen=True)
class Seen:
    """A reward with the hash of the content that was shown."""

    reward_id: str
    content_hash: str


@dataclass(frozen=True)
class Approved:
    """What an approval did: rewards that are now payable, and those that wait for a second person."""

    payable: tuple[Line, ...]
    waiting: tuple[Line, ...]

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


class TooMany(Invalid):
    """Please pick between 1 and 10,000 rewards at once."""


def approve(picked: Sequence[Seen], *, by: Actor) -> Approved:
    """Approve all of these or none.

    A reward above its programme's four-eyes threshold becomes payable with the approval of a second person who holds
    reward.approve_second. Raises RewardsChanged (also when decided meanwhile), OwnReward, SamePerson, TooMany,
    NotFound or Forbidden by unit.
    """
    if not 0 < len(picked) <= MOST:
        raise TooMany
    wanted = {each.reward_id: each.content_hash for each in picked}
    session().flush()
    payable: list[Line] = []
    waiting: list[Line] = []
    missing = set(wanted)
    for ids in in_order(list(wanted)):
        lines = _read(ids)
        missing -= {each.id for each in lines if _as_seen(each, wanted)}
        for each in lines:
            _authorize(each, by)
        if not missing & set(ids):
            _give(lines, by, payable, waiting)
    if missing:
        raise RewardsChanged(details={"changed": sorted(missing)})
    session().expire_all()
    return Approved(tuple(payable), tuple(waiting))


def _read(ids: Sequence[str]) -> list[Line]:
    """The lines, after late news of their conversions that the clock has not looked at yet."""
    lines = lines_of(ids)
    sold = sorted({each.conversion_id for each in lines if each.conversion_id})
    return lines_of(ids) if sold and fraud_work.assess_now(sold) else lines


def _as_seen(line: Line, wanted: Mapping[str, str]) -> bool:
    return line.state == "approvable" and line.content_hash == wanted[line.id]


def _authorize(line: Line, by: Actor) -> None:
    authorize(by, APPROVE_SECOND if waits_for_second(line) else APPROVE, line.unit_id)
    if by.person_id == line.person_id:
        raise OwnReward
    if waits_for_second(line) and line.approved_by == by.id:
        raise SamePerson


def _give(lines: Sequence[Line], by: Actor, payable: list[Line], waiting: list[Line]) -> None:
    """Give each line the approval that it lacks; raises RewardsChanged when somebody was quicker."""
    second = [each for each in lines if waits_for_second(each)]
    first = [each for each in lines if not waits_for_second(each)]
    programmes = {key: get_programme(key) for key in {each.programme_id for each in first}}
    large = {each.id for each in first if needs_second(each, programmes[each.programme_id])}
    alone = [each for each in first if each.id not in large]
    of_two = [each for each in first if each.id in large]
    at = now()
    enough = {"state": "approved", "payable_at": at}
    _change(second, {**enough, "second_approved_by": by.id, "second_approved_at": at}, counted="round")
    _change(alone, {**enough, "approved_by": by.id, "approved_at": at}, counted="round")
    _change(of_two, {"approved_by": by.id, "approved_at": at})
    actions.finish(APPROVE, [each.id for each in first], by=by)
    actions.finish(APPROVE_SECOND, [each.id for each in second], by=by)
    for each in of_two:
        ask_second(each)
        changes.note(each, "reward.approved_first", by)
    paid = [each._replace(state="approved", round=each.round + 1) for each in lines if each.id not in large]
    for each in paid:
        changes.note(each, "reward.approved", by)
    ledger.post_all([_approval(each) for each in paid])
    payable += paid
    waiting += [each._replace(approved_by=by.id) for each in of_two]


def _change(lines: Sequence[Line], values: Mapping[str, Any], *, counted: str | None = None) -> None:
    as_read = [
        (each.id, each.state, each.content_hash, each.round, each.reversed_minor, each.approved_by, None)
        for each in lines
    ]
    if bulk.change(Reward, _AS_READ, as_read, values=values, counted=counted) != len(lines):
        raise RewardsChanged


def waits_for_second(reward: Reward | Line) -> bool:
    """Whether the first person approved and the second is still missing."""
    return reward.state == "approvable" and reward.approved_by is not None


def needs_second(reward: Reward | Line, programme: Programme) -> bool:
    """Whether a second person is needed: above the threshold, or in a currency it does not speak about."""
    return reward.currency != programme.currency or reward.amount_minor > programme.four_eyes_above_minor


def _approval(line: Line) -> Entry:
    source, goal = ledger.pending(line.membership_id), ledger.payable(line.membership_id)
    return changes.entry(line, "reward.approved", source, goal)
