"""What is allowed in a question and still likely a slip of its author."""

from curriculum.questions import FULL, Question


def doubts(question: Question) -> list[str]:
    """Sentences for the author; none when nothing looks odd."""
    match question.kind:
        case "single" | "short":
            return _unreachable(max(choice.weight for choice in question.choices) == FULL)
        case "numerical":
            return _unreachable(max(number.weight for number in question.numbers) == FULL)
        case "multiple":
            return _multiple(question)
        case _:
            return []


def _unreachable(reachable: bool) -> list[str]:
    return [] if reachable else ["No answer earns the full mark."]


def _multiple(question: Question) -> list[str]:
    weights = [choice.weight for choice in question.choices]
    total = sum(weight for weight in weights if weight > 0)
    found = [] if abs(total - FULL) <= 1 else [f"The right answers add up to {total:f} percent, not to 100."]
    if any(weight <= 0 for weight in weights) and not any(weight < 0 for weight in weights):
        found.append("Wrong answers cost nothing: choosing every answer earns the full mark.")
    return found
