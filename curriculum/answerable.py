"""Whether a question can be answered at all; what is unfit is said in a sentence."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curriculum.questions import Choice, NumberAnswer, Question

_HOLDS = {
    "single": "choices", "multiple": "choices", "truefalse": "choices", "short": "choices",
    "numerical": "numbers", "matching": "pairs",
}  # fmt: skip


def fault(question: "Question") -> str | None:
    """What keeps the question from being answered, or None."""
    if not (question.text.text or question.tail):
        return "a question needs a text"
    return _misplaced(question) or _unanswerable(question)


def _misplaced(question: "Question") -> str | None:
    mine = _HOLDS.get(question.kind)
    for name in ("choices", "numbers", "pairs"):
        if name != mine and getattr(question, name):
            return f"a {question.kind} question has no {name}"
    if question.kind == "description" and (question.tail or question.feedback):
        return "a description has neither a blank nor feedback"
    return None


def _unanswerable(question: "Question") -> str | None:
    match question.kind:
        case "single" | "multiple":
            return _too_few(question.choices) or _without_key(question.choices) or _empty(question.choices)
        case "truefalse":
            return _undecided(question.choices)
        case "short":
            return _without_key(question.choices) or _empty(question.choices)
        case "numerical":
            return _without_key(question.numbers)
        case "matching":
            return _unmatched(question)
        case _:
            return None


def _too_few(choices: Sequence["Choice"]) -> str | None:
    return "a choice needs at least two answers" if len(choices) < 2 else None  # noqa: PLR2004 - said in the sentence


def _empty(choices: Sequence["Choice"]) -> str | None:
    return None if all(choice.text.text for choice in choices) else "an answer is empty"


def _without_key(answers: "Sequence[Choice | NumberAnswer]") -> str | None:
    return None if any(answer.weight > 0 for answer in answers) else "no answer is right"


def _undecided(choices: Sequence["Choice"]) -> str | None:
    if sorted(choice.weight for choice in choices) != [0, 100]:
        return "either True or False is right"
    return None


def _unmatched(question: "Question") -> str | None:
    if not any(pair.left.text for pair in question.pairs):
        return "matching needs something on the left"
    if len({pair.right for pair in question.pairs}) < 2:  # noqa: PLR2004 - said in the sentence
        return "matching needs at least two different answers on the right"
    return None
