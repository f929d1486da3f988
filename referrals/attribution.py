"""Whose a conversion is: decided on the server, purely, and explained to everybody it might have been.

Candidates are clicks (signed tokens), a code, a coupon, and the advocate of an earlier conversion of the same customer.
The right to earn is judged at the click for clicks, at the conversion for the others. The first of these in order that
may win does:
  last touch         the last click, the code, the coupon, the known customer
  first touch        the first click, the code, the coupon, the known customer
  coupon over click  the coupon, the last click, the code, the known customer
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from hub.programmes import AttributionRule
from referrals.rights import Right

Source = Literal["click", "code", "coupon", "customer"]

CLOCKS_DIFFER = timedelta(minutes=5)
"""a shop's clock may be this much behind ours before a click counts as later than its sale"""
_FIRST: dict[AttributionRule, tuple[Source, ...]] = {
    "last_touch": ("click", "code", "coupon", "customer"),
    "first_touch": ("click", "code", "coupon", "customer"),
    "coupon_over_click": ("coupon", "click", "code", "customer"),
}


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
    """A candidate and what became of it, as a sentence."""

    touch: Touch
    won: bool
    verdict: str


@dataclass(frozen=True)
class Attribution:
    """The winner, why, and every candidate with its verdict, in the order given."""

    winner: Touch | None
    reason: str
    candidates: tuple[Judged, ...]


def decide(
    conversion: Happened,
    touches: Sequence[Touch],
    rules: Mapping[str, Rule],
    rights: Callable[[Touch], Right],
) -> Attribution:
    """Whose the conversion is.

    `rules` are by programme; where candidates are of several, the programme of the latest one that may win rules.
    `rights` answers whether a touch's owner could earn at the touch.
    """
    problems = [_problem(conversion, touch, rules, rights) for touch in touches]
    able = [touch for touch, problem in zip(touches, problems, strict=True) if not problem]
    if not able:
        reason = "; ".join(dict.fromkeys(problems)) or "nothing ties it to an advocate"
        judged = [
            Judged(touch, won=False, verdict=problem)
            for touch, problem in zip(touches, problems, strict=True)
        ]
        return Attribution(None, f"nobody's: {reason}", tuple(judged))
    rule = rules[max(able, key=lambda touch: touch.at).programme_id].rule
    winner = _first(able, rule)
    won = f"won: {_named(winner, rule)}"
    lost = f"lost to {_named(winner, rule)}"
    judged = [
        Judged(touch, won=touch is winner, verdict=problem or (won if touch is winner else lost))
        for touch, problem in zip(touches, problems, strict=True)
    ]
    return Attribution(winner, won, tuple(judged))


def _problem(
    conversion: Happened, touch: Touch, rules: Mapping[str, Rule], rights: Callable[[Touch], Right]
) -> str:
    """Why a touch cannot win; empty when it can."""
    if touch.problem:
        return touch.problem
    if touch.at > conversion.at + CLOCKS_DIFFER:
        return "clicked after the conversion"
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
    # Clicks of the same instant: their ids are in order of time too, and settle it the same way every time.
    pick = min if rule == "first_touch" else max
    return pick(of_source, key=lambda touch: (touch.at, touch.given))


def _named(touch: Touch, rule: AttributionRule) -> str:
    if touch.source == "click":
        which = "first" if rule == "first_touch" else "last"
        return f"{which} click on {touch.code}, {touch.at:%-d %b %Y, %H:%M} UTC"
    if touch.source == "customer":
        return f"known customer, first brought by {touch.code or 'this advocate'}"
    return f"{touch.source} {touch.given}"
