"""What an answer is worth: pure, exact, and by the key that was frozen into the attempt."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from markupsafe import Markup

from curriculum.drawing import FrozenQuestion, rights_of
from curriculum.figures import read_number
from curriculum.markdown import render_rich
from curriculum.questions import FULL, Choice, NumberAnswer, RichText
from curriculum.responses import Response

NOTHING = Decimal(0)
ALL = Decimal(1)
FRACTION_PLACES = Decimal("1e-10")
SCORE_PLACES = Decimal("1e-6")
ROUNDING_PERCENT = Decimal(1)  # 3 x 33.333 is meant to be 100


@dataclass(frozen=True)
class Graded:
    """What a response earned, from 0 to 1, and what the question says about it (shown when policy allows)."""

    fraction: Decimal
    remarks: tuple[Markup, ...] = ()
    feedback: Markup | None = None


def grade(frozen: FrozenQuestion, response: Response | None) -> Decimal | None:
    """The fraction from 0 to 1 (10 places) that a response earns; None where a person has to judge.

    No answer, or one that does not fit the question, earns nothing.
    """
    match frozen.question.kind:
        case "essay" | "description":
            return None
        case "matching":
            fraction = _matched(frozen, response)
        case "multiple":
            fraction = _chosen(frozen, response)
        case _:
            answer = _answer(frozen, response)
            fraction = max(answer.weight, NOTHING) / FULL if answer else NOTHING
    return fraction.quantize(FRACTION_PLACES)


def explain(frozen: FrozenQuestion, response: Response | None) -> Graded | None:
    """The grade together with the feedback to this response; None where a person has to judge."""
    fraction = grade(frozen, response)
    if fraction is None:
        return None
    if frozen.question.kind == "multiple":
        spoken = [choice.feedback for choice in _choices(frozen, response)]
    else:
        answer = _answer(frozen, response)
        spoken = [answer.feedback] if answer else []
    remarks = tuple(render_rich(each) for each in spoken if each)
    return Graded(fraction, remarks, _html(frozen.question.feedback))


def score(fractions: Sequence[Decimal]) -> Decimal:
    """The percentage that fractions of equal worth make together, to 6 places; 0 for none."""
    if not fractions:
        return NOTHING
    return (sum(fractions, NOTHING) * FULL / len(fractions)).quantize(SCORE_PLACES)


def passed(score: Decimal, pass_percent: Decimal) -> bool:
    """Whether a score reaches the pass mark; both in percent, nothing is rounded: 79.5 does not reach 80."""
    return score >= pass_percent


def _html(rich: RichText | None) -> Markup | None:
    return render_rich(rich) if rich else None


def _answer(frozen: FrozenQuestion, response: Response | None) -> Choice | NumberAnswer | None:
    """The one answer of the key that a response meets; written answers are tried in order."""
    if not isinstance(response, str):
        return None
    question = frozen.question
    match question.kind:
        case "single" | "truefalse":
            return next(iter(_choices(frozen, [response])), None)
        case "short":
            return next((each for each in question.choices if matches(each.text.text, response)), None)
        case "numerical":
            number = read_number(response)
            return (
                None
                if number is None
                else next((each for each in question.numbers if each.holds(number)), None)
            )
        case _:
            return None


def _choices(frozen: FrozenQuestion, response: Response | None) -> list[Choice]:
    if not isinstance(response, list):
        return []
    return [frozen.question.choices[each.place] for each in frozen.options if each.token in response]


def _chosen(frozen: FrozenQuestion, response: Response | None) -> Decimal:
    """The sum of the chosen weights, within 0 and 1; right answers that miss 100 by rounding are put right."""
    total = sum((each.weight for each in frozen.question.choices if each.weight > 0), NOTHING)
    whole = total if abs(total - FULL) <= ROUNDING_PERCENT else FULL
    earned = sum((each.weight for each in _choices(frozen, response)), NOTHING)
    return min(max(earned / whole, NOTHING), ALL)


def _matched(frozen: FrozenQuestion, response: Response | None) -> Decimal:
    if not isinstance(response, dict):
        return NOTHING
    names = rights_of(frozen.question)
    given = {each.token: names[each.place] for each in frozen.rights}
    hits = sum(
        frozen.question.pairs[each.place].right == given.get(response.get(each.token, ""))
        for each in frozen.options
    )
    return Decimal(hits) / len(frozen.options)


def matches(pattern: str, written: str) -> bool:
    r"""Whether a written answer is the expected one, whatever its case and spacing.

    In the pattern `*` stands for anything and `\*` for a star.
    """
    parts = [part.replace("\0", "*") for part in _folded(pattern.replace("\\*", "\0")).split("*")]
    text = _folded(written)
    return text == parts[0] if len(parts) == 1 else _in_order(text, parts)


def _in_order(text: str, parts: Sequence[str]) -> bool:
    """Whether the text begins with the first part, ends with the last and holds the others between, in order."""
    first, *middle, last = parts
    if not text.startswith(first):
        return False
    at = len(first)
    for part in middle:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(text) - len(last) >= at and text.endswith(last)


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
