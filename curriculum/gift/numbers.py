"""How GIFT writes the numbers that are right: `3.14`, `3.14:0.005`, `3.1..3.2`, and `*` for any other."""

from decimal import Decimal

from curriculum.figures import canonical, read_number, spell
from curriculum.questions import NumberAnswer, RichText


def number_answer(spec: str, weight: Decimal, feedback: RichText | None) -> NumberAnswer | None:
    """The answer a specification describes, or None when it describes none."""
    spec = spec.strip().replace("\\:", ":")
    if spec == "*":
        return NumberAnswer(low=None, high=None, weight=weight, feedback=feedback)
    if ".." in spec:
        low, high = (read_number(part) for part in spec.split("..", 1))
        if low is None or high is None or low > high:
            return None
        return NumberAnswer(low=low, high=high, form="range", weight=weight, feedback=feedback)
    value_text, _, tolerance_text = spec.partition(":")
    value, tolerance = read_number(value_text), read_number(tolerance_text or "0")
    if value is None or tolerance is None or tolerance < 0:
        return None
    try:
        low, high = canonical(value - tolerance), canonical(value + tolerance)
    except ValueError:
        return None
    return NumberAnswer(low=low, high=high, weight=weight, feedback=feedback)


def number_spec(answer: NumberAnswer) -> str:
    """The specification that `number_answer` reads back to the same answer."""
    if answer.low is None or answer.high is None:
        return "*"
    if answer.form == "range" or not _has_middle(answer.low, answer.high):
        return f"{spell(answer.low)}..{spell(answer.high)}"
    value, tolerance = (answer.low + answer.high) / 2, (answer.high - answer.low) / 2
    return f"{spell(value)}:{spell(tolerance)}" if tolerance else spell(value)


def _has_middle(low: Decimal, high: Decimal) -> bool:
    try:
        canonical((low + high) / 2)
        canonical((high - low) / 2)
    except ValueError:
        return False
    return True
