"""Posts that arrive at once are stored together: one transaction, one wait for the disk, each its own answer.

Who comes while nobody stores takes everybody of the same key along who waits; who comes while others are being stored
waits, and was taken along or is the next to take. Where many came at once lately, whoever is next looks out for as many for
a moment: twenty in one transaction cost what five cost alone. On SQLite this also keeps the threads of a process from
sleeping for each other's lock.
"""

from collections import deque
from threading import Condition, Event

from sqlalchemy.exc import IntegrityError

from core.access import Actor
from core.db import again_after_deadlock, transaction
from core.errors import SpokesError
from referrals.conversions.conversion_input import NewConversion
from rewards.told import Told, take_all

MOST = 100
LOOK_OUT_S = 0.01
"""at most, and only where several came at once lately"""


class _Waiting:
    """A conversion that waits for its turn, and its answer when it had it."""

    def __init__(self, new: NewConversion, by: Actor, unit_id: str) -> None:
        self.new, self.by, self.unit_id = new, by, unit_id
        self.told: Told | None = None
        self.waits = True
        self.turn = Event()
        """it was taken along, or is the next to take"""

    @property
    def key(self) -> tuple[str, str]:
        """Who brought it, for which unit."""
        return self.by.id, self.unit_id


class _Line:
    """Those that wait, in the order in which they came; one at a time takes."""

    def __init__(self) -> None:
        self._changing = Condition()
        self._waiting: deque[_Waiting] = deque()
        self._taken = False
        """whether somebody takes just now"""
        self._lately = 1
        """how many waited together the last time"""

    def join(self, mine: _Waiting) -> None:
        """Wait until it was taken along, or is to take."""
        with self._changing:
            self._waiting.append(mine)
            first, self._taken = not self._taken, True
            self._changing.notify()
        if not first:
            mine.turn.wait()

    def group_of(self, mine: _Waiting) -> list[_Waiting]:
        """Those to take along, out of the line: of the same key, so that all of a transaction are taken at once.

        One after the other they would lock the scoreboard's rows in an order of their own, and another process's in another.
        """
        with self._changing:
            self._changing.wait_for(lambda: len(self._waiting) >= self._lately, LOOK_OUT_S)
            self._lately = len(self._waiting)
            same = [each for each in self._waiting if each.key == mine.key and each is not mine]
            group = [*same[: MOST - 1], mine]
            for each in group:
                each.waits = False
            self._waiting = deque(each for each in self._waiting if each.waits)
        return group

    def leave(self, group: list[_Waiting]) -> None:
        """These had their turn; the next one takes."""
        for each in group:
            each.turn.set()
        with self._changing:
            self._taken = bool(self._waiting)
            if self._waiting:
                self._waiting[0].turn.set()


_line = _Line()


def take_with_others(new: NewConversion, by: Actor, unit_id: str) -> Told:
    """Record a conversion in a transaction shared with those that wait; what is answered is committed."""
    mine = _Waiting(new, by, unit_id)
    _line.join(mine)
    if mine.waits:
        group = _line.group_of(mine)
        try:
            _take(group)
        finally:
            _line.leave(group)
    if mine.told is None:  # what took it along broke off
        mine.told = again_after_deadlock(lambda: _taken([mine])[0])
    return mine.told


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
