"""Posts that arrive at once are stored together: one transaction, one wait for the disk, each its own answer.

Whoever comes while others are being stored waits for the turn, and finds that somebody took their conversion along, or
takes along everybody who waits. On SQLite this also keeps the threads of a process from sleeping for each other's lock.
"""

from collections import deque
from threading import Lock

from sqlalchemy.exc import IntegrityError

from core.access import Actor
from core.db import transaction
from core.errors import SpokesError
from referrals.conversion_input import NewConversion
from rewards.told import Told, take_all

MOST = 100


class _Waiting:
    """A conversion that waits for its turn, and its answer when it had it."""

    def __init__(self, new: NewConversion, by: Actor, unit_id: str) -> None:
        self.new, self.by, self.unit_id = new, by, unit_id
        self.told: Told | None = None


_queue: deque[_Waiting] = deque()
_turn = Lock()


def take_with_others(new: NewConversion, by: Actor, unit_id: str) -> Told:
    """Record a conversion in a transaction shared with those that wait; what is answered is committed."""
    mine = _Waiting(new, by, unit_id)
    _queue.append(mine)
    with _turn:
        if mine.told is None:
            _take([_queue.popleft() for _ in range(min(len(_queue), MOST))])
    if mine.told is None:  # more than a hundred were before it, or what took it along broke off
        mine.told = _alone(mine)
    return mine.told


def _take(group: list[_Waiting]) -> None:
    """One transaction for all; where something is refused on the way, each its own."""
    try:
        with transaction():
            told = (
                [take_all([each.new], each.by, each.unit_id)[0] for each in group]
                if _mixed(group)
                else take_all([each.new for each in group], group[0].by, group[0].unit_id)
            )
    except (SpokesError, IntegrityError):
        return  # each tries alone, in its own thread
    for each, answer in zip(group, told, strict=True):
        each.told = answer


def _mixed(group: list[_Waiting]) -> bool:
    """Whether they are of several keys."""
    return len({(each.by.id, each.unit_id) for each in group}) > 1


def _alone(one: _Waiting) -> Told:
    with transaction():
        return take_all([one.new], one.by, one.unit_id)[0]
