"""Whose a conversion is: decided on the server, purely, and explained to everybody it might have been.

Candidates are clicks (signed tokens), a code, a coupon, and the advocate of an earlier conversion of the same customer.
The right to earn is judged at the click for clicks, at the conversion for the others. The first of these in order that
may win does:
  last touch         the last click, the code, the coupon, the known customer
  first touch        the first click, the code, the coupon, the known customer
  coupon over click  the coupon, the last click, the code, the known customer
Under split everybody who may win shares, by their place on the customer's way (split.py).
A click a little later than its sale, as a shop's clock makes it, wins only where no click was before the sale.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from hub.programmes import AttributionRule
from referrals.conversions import split
from referrals.conversions.rights import Right

Source = Literal["click", "code", "coupon", "customer"]

CLOCKS_DIFFER = timedelta(minutes=5)
"""a shop's clock may be this much behind ours before a click counts as later than its sale"""
TOO_LATE = "clicked after the conversion"
_FIRST: dict[AttributionRule, tuple[Source, ...]] = {
    "last_touch": ("click", "code", "coupon", "customer"),
    "first_touch": ("click", "code", "coupon", "customer"),
    "coupon_over_click": ("coupon", "click", "code", "customer"),
}
_WAY: tuple[Source, ...] = ("customer", "click", "code", "coupon")
"""the way of a customer: brought once before, clicked, and typed something in at the end"""


@dataclass(frozen=True)
class Happened:
    """What attribution needs of a conversion."""

    at: datetime
    email_sha256: str = ""


@dataclass(frozen=True)
class Touch:
    """Something that ties a conversion to an advocate, or was meant to; `problem` says why it cannot."""

    source: Source
    given: str
    """what was sent: the click's id, the code, the coupon, the customer"""
    at: datetime
    """the click's moment; for the others the conversion's"""
    link_id: str | None = None
    code: str = ""
    membership_id: str = ""
    programme_id: str = ""
    owner_email_sha256: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Rule:
    """A programme's rule and window."""

    rule: AttributionRule
    window_days: int


@dataclass(frozen=True)
class Judged:
    """A candidate and what became of it, as a sentence; `weight_basis_points` is its part of the conversion."""

    touch: Touch
    verdict: str
    weight_basis_points: int = 0

    @property
    def won(self) -> bool:
        """Whether it has a part of the conversion."""
        return self.weight_basis_points > 0


@dataclass(frozen=True)
class Attribution:
    """The winner, why, and every candidate with its verdict, in the order given.

    Of several who share, the winner is the one whose touch was the last: the sale counts for them (ADR 8).
    """

    winner: Touch | None
    reason: str
    candidates: tuple[Judged, ...]

    @property
    def shares(self) -> tuple[Judged, ...]:
        """The candidates that have a part, in the order given; their weights are 10,000 together, or there is none."""
        return tuple(each for each in self.candidates if each.won)


def decide(
    conversion: Happened,
    touches: Sequence[Touch],
    rules: Mapping[str, Rule],
    rights: Callable[[Touch], Right],
) -> Attribution:
    """Whose the conversion is.

    `rules` are by programme; where candidates are of several, the programme of the latest one that may win rules, and
    that of a known customer only where nothing else may win. `rights` answers whether a touch's owner could earn at the
    touch.
    """
    problems = _problems(conversion, touches, rules, rights)
    able = [touch for touch, problem in zip(touches, problems, strict=True) if not problem]
    if not able:
        reason = "; ".join(dict.fromkeys(problems)) or "nothing ties it to an advocate"
        judged = [Judged(touch, problem) for touch, problem in zip(touches, problems, strict=True)]
        return Attribution(None, f"nobody's: {reason}", tuple(judged))
    ruling = max(able, key=_lateness).programme_id
    rule = rules[ruling].rule
    if rule == "split":
        return _shared(touches, problems, sharers(able, ruling))
    winner = _first(able, rule)
    won = f"won: {_named(winner, rule)}"
    lost = f"lost to {_named(winner, rule)}"
    judged = [
        Judged(touch, problem or lost) if touch is not winner else Judged(touch, won, split.WHOLE)
        for touch, problem in zip(touches, problems, strict=True)
    ]
    return Attribution(winner, won, tuple(judged))


def sharers(able: Sequence[Touch], programme_id: str) -> list[Touch]:
    """Whose touches share, in the order of the customer's way: of each advocate of the programme the last one."""
    way = sorted((touch for touch in able if touch.programme_id == programme_id), key=_place_on_the_way)
    return sorted({touch.membership_id: touch for touch in way}.values(), key=_place_on_the_way)


def _shared(touches: Sequence[Touch], problems: Sequence[str], sharing: Sequence[Touch]) -> Attribution:
    weights = split.by_position(len(sharing))
    alone, last = len(sharing) == 1, sharing[-1]
    parts = [
        f"{touch.code or touch.given} {split.percent(weight)}"
        for touch, weight in zip(sharing, weights, strict=True)
    ]
    won = f"won: {_named(last, 'split')}" if alone else f"shared: {', '.join(parts)}"
    weight_of = {id(touch): weight for touch, weight in zip(sharing, weights, strict=True)}
    members = {touch.membership_id for touch in sharing}
    judged = []
    for touch, problem in zip(touches, problems, strict=True):
        weight = weight_of.get(id(touch), 0)
        if weight:
            verdict = won if alone else f"shares {split.percent(weight)}: {_named(touch, 'split')}"
        elif problem:
            verdict = problem
        elif touch.membership_id in members:
            verdict = "counted once, with the last touch of the same advocate"
        else:
            verdict = f"lost to {_named(last, 'split')}, whose programme rules"
        judged.append(Judged(touch, verdict, weight))
    return Attribution(last, won, tuple(judged))


def _place_on_the_way(touch: Touch) -> tuple[int, datetime, str]:
    # Clicks of the same instant: their ids are in order of time too, and settle it the same way every time.
    return _WAY.index(touch.source), touch.at, touch.given


def _lateness(touch: Touch) -> tuple[bool, datetime, int, str]:
    """A known customer is the earliest of all, though its moment is the conversion's."""
    return touch.source != "customer", touch.at, -_FIRST["last_touch"].index(touch.source), touch.given


def _problems(
    conversion: Happened,
    touches: Sequence[Touch],
    rules: Mapping[str, Rule],
    rights: Callable[[Touch], Right],
) -> list[str]:
    """Why each cannot win; empty for those that can."""
    problems = [_problem(conversion, touch, rules, rights) for touch in touches]
    in_time = [touch.source == "click" and touch.at <= conversion.at for touch in touches]
    if not any(fine and not problem for fine, problem in zip(in_time, problems, strict=True)):
        return problems
    late = [TOO_LATE if touch.at > conversion.at else "" for touch in touches]
    return [problem or too_late for problem, too_late in zip(problems, late, strict=True)]


def _problem(
    conversion: Happened, touch: Touch, rules: Mapping[str, Rule], rights: Callable[[Touch], Right]
) -> str:
    """Why a touch cannot win; empty when it can."""
    if touch.problem:
        return touch.problem
    if touch.at > conversion.at + CLOCKS_DIFFER:
        return TOO_LATE
    days = rules[touch.programme_id].window_days
    if conversion.at - touch.at > timedelta(days=days):
        return f"outside the window of {days} days"
    if conversion.email_sha256 and conversion.email_sha256 == touch.owner_email_sha256:
        return "own purchase"
    right = rights(touch)
    return "" if right.earns else f"the advocate had no right to earn then: {', '.join(right.missing)}"


def _first(able: Sequence[Touch], rule: AttributionRule) -> Touch:
    order = _FIRST[rule]
    source = min((touch.source for touch in able), key=order.index)
    of_source = [touch for touch in able if touch.source == source]
    pick = min if rule == "first_touch" else max
    return pick(of_source, key=lambda touch: (touch.at, touch.given))


def _named(touch: Touch, rule: AttributionRule) -> str:
    if touch.source == "click":
        which = {"first_touch": "first click", "split": "click"}.get(rule, "last click")
        return f"{which} on {touch.code}, {touch.at:%-d %b %Y, %H:%M} UTC"
    if touch.source == "customer":
        return f"known customer, last brought by {touch.code or 'this advocate'}"
    return f"{touch.source} {touch.given}"
