"""Posts that arrive at once are stored together: one transaction, one wait for the disk, each its own answer.

Whoever comes while others are being stored waits for the turn, and finds that somebody took their conversion along, or
takes along everybody of the same key who waits. On SQLite this also keeps the threads of a process from sleeping for each
other's lock.
"""

from collections import deque
from threading import Lock

from sqlalchemy.exc import IntegrityError

from core.access import Actor
from core.db import again_after_deadlock, transaction
from core.errors import SpokesError
from referrals.conversions.conversion_input import NewConversion
from rewards.told import Told, take_all

MOST = 100


class _Waiting:
    """A conversion that waits for its turn, and its answer when it had it."""

    def __init__(self, new: NewConversion, by: Actor, unit_id: str) -> None:
        self.new, self.by, self.unit_id = new, by, unit_id
        self.told: Told | None = None
        self.waits = True

    @property
    def key(self) -> tuple[str, str]:
        """Who brought it, for which unit."""
        return self.by.id, self.unit_id


_queue: deque[_Waiting] = deque()
_turn = Lock()


def take_with_others(new: NewConversion, by: Actor, unit_id: str) -> Told:
    """Record a conversion in a transaction shared with those that wait; what is answered is committed."""
    mine = _Waiting(new, by, unit_id)
    _queue.append(mine)
    with _turn:
        if mine.waits:
            _take(_group_of(mine))
    if mine.told is None:  # what took it along broke off
        mine.told = again_after_deadlock(lambda: _taken([mine])[0])
    return mine.told


def _group_of(mine: _Waiting) -> list[_Waiting]:
    """Those to take along, out of the queue: of the same key, so that all of a transaction are taken at once.

    One after the other they would lock the scoreboard's rows in an order of their own, and another process's in another.
    """
    waiting = [_queue.popleft() for _ in range(len(_queue))]
    same = [each for each in waiting if each.key == mine.key and each is not mine]
    group = [*same[: MOST - 1], mine]
    for each in group:
        each.waits = False
    _queue.extendleft(each for each in reversed(waiting) if each.waits)
    return group


def _take(group: list[_Waiting]) -> None:
    """One transaction for all; where something is refused on the way, each its own."""
    try:
        told = again_after_deadlock(lambda: _taken(group))
    except (SpokesError, IntegrityError):
        return  # each tries alone, in its own thread
    for each, answer in zip(group, told, strict=True):
        each.told = answer


def _taken(group: list[_Waiting]) -> list[Told]:
    with transaction():
        return take_all([each.new for each in group], group[0].by, group[0].unit_id)
