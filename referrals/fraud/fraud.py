"""How much a conversion looks like fraud: decided purely, from evidence and a programme's thresholds, and explained.

Each signal that speaks adds its points; from `hold_at` points on a person has to look. Nothing here denies anything.
Sharing a device or a network is graded evidence, as in a household or on a campus, and never enough alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, get_args

Grade = Literal["low", "high"]
Signal = Literal[
    "own_email", "own_account", "own_card", "own_payout", "own_staff", "told_twice", "disposable_domain",
    "seconds_after_click", "burst", "click_ratio", "refund_rate", "device_repeats", "device_advocates",
]  # fmt: skip
SIGNALS: tuple[Signal, ...] = get_args(Signal)
YES_OR_NO: frozenset[Signal] = frozenset(
    {"own_email", "own_account", "own_card", "own_payout", "own_staff", "told_twice", "disposable_domain"}
)
"""signals without a measure: they are there, with the points of `high`, or not"""
FEWER_IS_WORSE: frozenset[Signal] = frozenset({"seconds_after_click"})
OF_THE_ADVOCATE: frozenset[Signal] = frozenset({"burst", "click_ratio", "refund_rate", "device_repeats"})
"""signals that also say something about the advocate's other conversions"""
FAST_AGAINST_OWN_PAST = 5
"""a burst is at least so many times as fast as the advocate usually is"""
FEWEST_BY_CLICK, FEWEST_SALES = 10, 5
"""below these a share says nothing"""


@dataclass(frozen=True)
class Threshold:
    """When a signal speaks and what it adds: at `low` or worse `low_points`, at `high` or worse `high_points`."""

    low: int
    low_points: int
    high: int
    high_points: int
    on: bool = True


@dataclass(frozen=True)
class Thresholds:
    """A programme's thresholds at a moment."""

    hold_at: int
    signals: Mapping[Signal, Threshold]


@dataclass(frozen=True)
class Evidence:
    """What is known about a conversion and its advocate when it is assessed; None is not known."""

    own_email: bool = False
    own_account: bool = False
    own_card: bool = False
    own_payout: bool = False
    own_staff: bool = False
    told_twice: bool = False
    disposable_domain: bool = False
    after_click: timedelta | None = None
    in_an_hour: int = 0
    """the advocate's conversions in the fullest hour that this one is in"""
    in_thirty_days: int = 0
    """the advocate's conversions in the thirty days before the assessment"""
    clicks: int = 0
    """counted clicks of the advocate in this and the last month"""
    by_click: int = 0
    """conversions won by a click in the thirty days before"""
    sales: int = 0
    """in the ninety days before"""
    given_back: int = 0
    """of these, refunded in part or in full"""
    device_repeats: int = 0
    """the advocate's conversions from the device of this one, that day, with this one"""
    device_advocates: int = 0
    """advocates with conversions from that device, that day"""


@dataclass(frozen=True)
class Spoken:
    """A signal that spoke: how strongly, what it adds, and the evidence as a sentence."""

    signal: Signal
    grade: Grade
    points: int
    sentence: str


@dataclass(frozen=True)
class Assessment:
    """The sum of the signals that spoke, the strongest first, and whether a person has to look."""

    score: int
    signals: tuple[Spoken, ...]
    holds: bool


def assess(evidence: Evidence, thresholds: Thresholds) -> Assessment:
    """Score the evidence; a signal that is switched off, or without thresholds, adds nothing."""
    spoken = [
        each
        for signal in SIGNALS
        if (threshold := thresholds.signals.get(signal)) is not None and threshold.on
        if (each := _speak(signal, evidence, threshold)) is not None
    ]
    spoken.sort(key=lambda each: (-each.points, each.signal))
    score = sum(each.points for each in spoken)
    return Assessment(score, tuple(spoken), holds=bool(spoken) and score >= thresholds.hold_at)


def _speak(signal: Signal, evidence: Evidence, threshold: Threshold) -> Spoken | None:
    said = _SAYS[signal](evidence)
    if said is None:
        return None
    measure, sentence = said
    grade = _grade(signal, measure, threshold)
    points = {None: 0, "low": threshold.low_points, "high": threshold.high_points}[grade]
    return Spoken(signal, grade, points, sentence) if grade and points else None


def _grade(signal: Signal, measure: float, threshold: Threshold) -> Grade | None:
    if signal in YES_OR_NO:
        return "high"
    sign = -1 if signal in FEWER_IS_WORSE else 1
    if sign * measure >= sign * threshold.high:
        return "high"
    return "low" if sign * measure >= sign * threshold.low else None


Said = tuple[float, str] | None
"""a measure and the sentence that goes with it; None when the signal has nothing to say"""


def _yes(name: str, sentence: str) -> Callable[[Evidence], Said]:
    return lambda evidence: (1, sentence) if getattr(evidence, name) else None


def _after_click(evidence: Evidence) -> Said:
    if evidence.after_click is None:
        return None
    seconds = max(0.0, evidence.after_click.total_seconds())
    return seconds, f"It came {seconds:.1f} seconds after the click."


def _burst(evidence: Evidence) -> Said:
    before = max(0, evidence.in_thirty_days - evidence.in_an_hour)
    usual = before / (30 * 24)
    if evidence.in_an_hour < FAST_AGAINST_OWN_PAST * usual:
        return None
    said = f"{evidence.in_an_hour} conversions of this advocate within one hour; "
    return evidence.in_an_hour, f"{said}{before} in the rest of the last 30 days."


def _click_ratio(evidence: Evidence) -> Said:
    if evidence.by_click < FEWEST_BY_CLICK:
        return None
    percent = 100 * evidence.by_click / max(1, evidence.clicks)
    said = f"{evidence.by_click} conversions by click in 30 days, out of {evidence.clicks} clicks"
    return percent, f"{said} of this and the last month."


def _refund_rate(evidence: Evidence) -> Said:
    if evidence.sales < FEWEST_SALES:
        return None
    percent = 100 * evidence.given_back / evidence.sales
    said = f"{evidence.given_back} of {evidence.sales} sales of the last 90 days were given back"
    return percent, f"{said}, at least in part ({percent:.0f} %)."


def _device_repeats(evidence: Evidence) -> Said:
    said = f"{evidence.device_repeats} conversions of this advocate came from one device that day."
    return evidence.device_repeats, said


def _device_advocates(evidence: Evidence) -> Said:
    said = f"The device brought conversions of {evidence.device_advocates} advocates that day."
    return evidence.device_advocates, said


_SAYS: Mapping[Signal, Callable[[Evidence], Said]] = {
    "own_email": _yes("own_email", "The buyer’s e-mail address is a form of the advocate’s own."),
    "own_account": _yes(
        "own_account", "This customer has ordered with the advocate’s own e-mail address before."
    ),
    "own_card": _yes("own_card", "The card has paid for an order of the advocate’s own before."),
    "own_payout": _yes("own_payout", "The card or account is the one that the advocate is paid to."),
    "own_staff": _yes("own_staff", "The buyer’s e-mail address is a colleague’s: somebody with a role here."),
    "told_twice": _yes(
        "told_twice",
        "A shop of another unit told an order of the same number, with another sum, that this advocate won, too.",
    ),
    "disposable_domain": _yes(
        "disposable_domain", "The buyer’s e-mail address is of a provider of throw-away addresses."
    ),
    "seconds_after_click": _after_click,
    "burst": _burst,
    "click_ratio": _click_ratio,
    "refund_rate": _refund_rate,
    "device_repeats": _device_repeats,
    "device_advocates": _device_advocates,
}
