"""Retakes: whether somebody may try a quiz again, and from when; pure, from the rules of the release."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.errors import Conflict
from curriculum.contents import PassRules


@dataclass(frozen=True)
class Tried:
    """One finished attempt."""

    finished_at: datetime
    passed: bool


@dataclass(frozen=True)
class Standing:
    """How somebody stands with a quiz. `attempts_left` is None where there is no limit.

    `next_at`: the moment from which the next attempt may start; None when none may.
    """

    passed: bool
    attempts_used: int
    attempts_left: int | None
    next_at: datetime | None

    def may_start(self, at: datetime) -> bool:
        """Whether an attempt may start at a moment."""
        return self.next_at is not None and self.next_at <= at


class AlreadyPassed(Conflict):
    """You have passed this quiz already."""


class NoAttemptsLeft(Conflict):
    """You have used all attempts at this quiz. Please ask your programme's manager."""


class TooEarly(Conflict):
    """The next attempt is not possible yet."""


def standing_after(tried: Sequence[Tried], rules: PassRules, at: datetime) -> Standing:
    """How somebody stands after these attempts, in their order. The wait counts from when the last one was finished."""
    passed = any(each.passed for each in tried)
    left = None if rules.attempts == "unlimited" else max(rules.attempts - len(tried), 0)
    if passed or left == 0:
        return Standing(passed, len(tried), left, None)
    if not tried:
        return Standing(passed, 0, left, at)
    wait = timedelta(hours=rules.cooldown_hours_before(len(tried)))
    return Standing(passed, len(tried), left, tried[-1].finished_at + wait)


def refuse_unless_ready(standing: Standing, at: datetime) -> None:
    """Raise AlreadyPassed, NoAttemptsLeft or TooEarly (saying when) where no attempt may start."""
    if standing.passed:
        raise AlreadyPassed
    if standing.next_at is None:
        raise NoAttemptsLeft
    if not standing.may_start(at):
        when = standing.next_at
        raise TooEarly(
            f"The next attempt is possible from {when.day} {when:%B %Y, %H:%M} UTC.",
            details={"next_at": when.isoformat()},
        )
