"""Milestones: which sale or lead of an advocate this was, or the sum of sales it made whole, by the scoreboard.

The scoreboard's rows are grown, and so locked, in the transaction that stores the conversions: of two at once each knows
its own place. What a batch adds is taken from what stands there, so nothing is read for each conversion.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import bindparam
from sqlalchemy import select as select_columns
from sqlmodel import col

from core.reading import Reading, among
from hub.metrics import LadderStep, metric_name
from referrals.conversions.won import Won
from rewards.reward import MILESTONE
from rewards.rules.arithmetic import Reached, milestones_of
from rewards.rules.conditions import Counted
from rewards.rules.rules import Version, in_force

Due = TypeVar("Due")


@dataclass(frozen=True)
class Step:
    """So much more of what milestones count, for one advocate."""

    membership_id: str
    counts: Counted
    currency: str
    """of revenue"""
    more: int

    @property
    def place(self) -> tuple[str, str]:
        """Metric and member, as the scoreboard has them."""
        metric = metric_name(self.counts, self.currency or None)
        return metric, self.membership_id


def key_of(membership_id: str, reached: Reached) -> str:
    """What a milestone's reward is for, in its grant key: it is rewarded once as long as it stays reached."""
    return f"{MILESTONE}{membership_id}:{reached.counts}:{reached.currency}{reached.at}"


_KEY = re.compile(
    MILESTONE + r"(?P<member>[^:]+):(?P<counts>sales|leads|revenue):(?P<currency>[A-Z]*)(?P<at>\d+):"
)


def is_reached(grant_key: str) -> bool:
    """Whether the scoreboard still has what the reward with this key was given for; False after it was taken back."""
    of = _KEY.match(grant_key)
    if of is None:
        return False
    metric = metric_name(of["counts"], of["currency"] or None)
    stands = dict(_STANDS.rows([of["member"]], metric=metric, period="all"))
    return int(stands.get(of["member"], 0)) >= int(of["at"])


def steps_of(won: Won, given_back_minor: int = 0) -> tuple[Step, ...]:
    """What a conversion adds, as to the scoreboard: the lead or sale to who has it, the revenue to each by their share.

    `given_back_minor`: what refunds took off it before, of one that nobody shares; a sale given back in full is none.
    """
    if won.kind == "lead":
        return (Step(won.membership_id, "leads", "", 1),)
    if given_back_minor and given_back_minor == won.amount_minor:
        return ()
    shares = tuple(
        Step(each.membership_id, "revenue", won.currency, each.amount_minor - given_back_minor)
        for each in won.shares
    )
    return Step(won.membership_id, "sales", "", 1), *shares


Asked = tuple[Due, Sequence[Step], Sequence[Version], datetime]
"""something that happened, what it adds, the rules of its programme, when it was"""


def reached_in(asked: Sequence[Asked[Due]]) -> Iterator[tuple[Due, str, Reached]]:
    """Whatever reached a milestone that a rule in force then rewards, by whom, and which."""
    wanted = {
        (one.conditions.milestone_counts, one.conditions.milestone_currency)
        for _, _, rules, _ in asked
        for one in rules
    }
    counted = [
        (due, step, rules, at)
        for due, steps, rules, at in asked
        for step in steps
        if (step.counts, step.currency) in wanted
    ]
    stands = _before(step for _, step, _, _ in counted)
    for due, step, rules, at in counted:
        before = stands[step.place]
        stands[step.place] = before + step.more
        for each in milestones_between(in_force(rules, "milestone", at), step, before):
            yield due, step.membership_id, each


def milestones_between(rules: Iterable[Version], step: Step, before: int) -> list[Reached]:
    """The milestones of these rules that a step goes over, each once, the nearest first; purely."""
    passed = {
        each
        for rule in rules
        for each in milestones_of(rule)
        if (each.counts, each.currency) == (step.counts, step.currency)
        and before < each.at <= before + step.more
    }
    return sorted(passed, key=lambda each: each.at)


def _before(steps: Iterable[Step]) -> dict[tuple[str, str], int]:
    """What the scoreboard had before these steps, which are on it already."""
    added: dict[tuple[str, str], int] = defaultdict(int)
    for each in steps:
        added[each.place] += each.more
    stands = dict.fromkeys(added, 0)
    for metric in sorted({metric for metric, _ in added}):
        members = [member for name, member in added if name == metric]
        stands |= {
            (metric, member): value for member, value in _STANDS.rows(members, metric=metric, period="all")
        }
    return {place: value - added[place] for place, value in stands.items()}


def _stands() -> Any:  # noqa: ANN401 - a SELECT of any columns
    on_all = (col(LadderStep.metric) == bindparam("metric"), col(LadderStep.period) == bindparam("period"))
    return select_columns(col(LadderStep.member_id), col(LadderStep.value)).where(
        *on_all, among(LadderStep.member_id)
    )


_STANDS = Reading(_stands)
