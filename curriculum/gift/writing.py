"""From questions to GIFT text, so that reading it gives the same questions."""

import re
from collections.abc import Sequence

from curriculum.figures import spell
from curriculum.gift.escapes import escape
from curriculum.gift.numbers import number_spec
from curriculum.questions import FORMATS, FULL, Choice, Format, NumberAnswer, Pair, Question, RichText

_INDENT = "    "
_LOOKS_MARKED = tuple(f"[{each}]" for each in FORMATS)
_LABEL_ESCAPE = re.compile(r"[\]\\]")


def write_gift(questions: Sequence[Question]) -> str:
    """The questions as a GIFT file, one answer a line; `parse_gift` reads the same questions from it."""
    category, blocks = "", []
    for question in questions:
        if question.category != category:
            category = question.category
            blocks.append(f"$CATEGORY: {category}".rstrip())
        blocks.append(_written(question))
    return "\n\n".join(blocks) + "\n" if blocks else ""


def _written(question: Question) -> str:
    title = f"::{escape(question.title)}::" if question.title else ""
    stem = _marked(question.text, "moodle")
    if not title and stem.startswith("//"):
        stem = f"[moodle]{stem}"  # else it would be taken for a comment
    if question.kind == "description":
        return _comments(question) + title + stem
    tail = f" {escape(question.tail)}" if question.tail else ""
    gap = " " if stem else ""
    return f"{_comments(question)}{title}{stem}{gap}{{{_body(question)}}}{tail}"


def _comments(question: Question) -> str:
    lines = question.note.split("\n") if question.note else []
    marks = [f"[id:{_label(question.id)}]"] if question.id else []
    marks += [f"[tag:{_label(tag)}]" for tag in question.tags]
    return "".join(f"// {line}".rstrip() + "\n" for line in [*lines, *([" ".join(marks)] if marks else [])])


def _label(label: str) -> str:
    return _LABEL_ESCAPE.sub(r"\\\g<0>", label)


def _body(question: Question) -> str:
    lines = _lines(question)
    head = lines.pop(0) if question.kind in ("truefalse", "numerical") else ""
    if question.feedback:
        lines.append(f"####{_marked(question.feedback, question.text.format)}")
    if not lines:
        return head
    return head + "\n" + "".join(f"{_INDENT}{line}\n" for line in lines)


def _lines(question: Question) -> list[str]:
    """The answers a line each; for true/false and numbers the first belongs right behind the brace."""
    text_format = question.text.format
    match question.kind:
        case "single" | "multiple" | "short":
            signs = _signed(question)
            return [
                _choice(each, sign, text_format) for each, sign in zip(question.choices, signs, strict=True)
            ]
        case "truefalse":
            return [_truth(question.choices, text_format)]
        case "numerical":
            return _numbers(question.numbers, text_format)
        case "matching":
            return [_pair(each, text_format) for each in question.pairs]
        case _:
            return []


def _signed(question: Question) -> list[str]:
    """Short answers all carry `=`; of a single choice only the best does, or the rest would look like short answers."""
    if question.kind == "short":
        return ["="] * len(question.choices)
    weights = [choice.weight for choice in question.choices]
    best = weights.index(max(weights)) if question.kind == "single" else -1
    return ["=" if place == best else "~" for place in range(len(weights))]


def _marked(rich: RichText, default: Format) -> str:
    named = rich.format != default or rich.text.startswith(_LOOKS_MARKED)
    return (f"[{rich.format}]" if named else "") + escape(rich.text)


def _comment(feedback: RichText | None, text_format: Format) -> str:
    return f"#{_marked(feedback, text_format)}" if feedback and feedback.text else ""


def _choice(choice: Choice, sign: str, text_format: Format) -> str:
    implied = FULL if sign == "=" else 0
    answer = _marked(choice.text, text_format)
    weight = f"%{spell(choice.weight)}%" if choice.weight != implied or answer.startswith("%") else ""
    return f"{sign}{weight}{answer}{_comment(choice.feedback, text_format)}"


def _truth(choices: Sequence[Choice], text_format: Format) -> str:
    true, false = choices
    right, wrong = (true, false) if true.weight else (false, true)
    for_right = _comment(right.feedback, text_format)
    for_wrong = _comment(wrong.feedback, text_format) or ("# " if for_right else "")
    return ("TRUE" if right is true else "FALSE") + for_wrong + for_right


def _numbers(numbers: Sequence[NumberAnswer], text_format: Format) -> list[str]:
    if len(numbers) == 1 and numbers[0].weight == FULL and not numbers[0].feedback:
        return [f"#{number_spec(numbers[0])}"]
    return ["#", *(_number(each, text_format) for each in numbers)]


def _number(number: NumberAnswer, text_format: Format) -> str:
    weight = "" if number.weight == FULL else f"%{spell(number.weight)}%"
    return f"={weight}{number_spec(number)}{_comment(number.feedback, text_format)}"


def _pair(pair: Pair, text_format: Format) -> str:
    left = _marked(pair.left, text_format)
    if left.startswith("%"):
        left = f"[{pair.left.format}]{left}"  # else it could be taken for a weight
    return f"={left} -> {escape(pair.right)}"
