"""What stands between the braces: which kind of question it makes, and its answers."""

import re
from dataclasses import dataclass
from decimal import Decimal

from curriculum.gift.escapes import bare, every_bare, meant, take_format
from curriculum.gift.numbers import number_answer
from curriculum.gift.problems import Unreadable
from curriculum.questions import FULL, Choice, Format, Kind, NumberAnswer, Pair, RichText

_WEIGHT = re.compile(r"\s*%\s*([+-]?\d{1,3}(?:\.\d{1,10})?)\s*%", re.ASCII)
_TRUTHS = {"T": True, "TRUE": True, "F": False, "FALSE": False}


@dataclass(frozen=True)
class Answers:
    """The part of a question that stands in braces."""

    kind: Kind
    choices: tuple[Choice, ...] = ()
    numbers: tuple[NumberAnswer, ...] = ()
    pairs: tuple[Pair, ...] = ()
    feedback: RichText | None = None


@dataclass(frozen=True)
class _Item:
    """One answer: its sign `=` or `~`, where it stands, and what follows up to the next sign."""

    sign: str
    offset: int
    raw: str


def read_answers(body: str, offset: int, text_format: Format) -> Answers:
    """The answers in a body that begins at `offset` of its block; raises Unreadable."""
    general = bare(body, "####")
    feedback = rich(body[general + 4 :], text_format) if general >= 0 else None
    body = body[:general] if general >= 0 else body
    stripped = body.strip()
    if not stripped:
        return Answers("essay", feedback=feedback)
    if stripped.startswith("#"):
        begin = body.index("#") + 1
        return Answers(
            "numerical", numbers=_numbers(body[begin:], offset + begin, text_format), feedback=feedback
        )
    truth, comments = _cut(stripped)
    if truth.strip().upper() in _TRUTHS:
        return Answers(
            "truefalse",
            _truth(_TRUTHS[truth.strip().upper()], comments, offset, text_format),
            feedback=feedback,
        )
    return _listed(_items(body, offset), offset, text_format, feedback)


def rich(raw: str, default: Format) -> RichText | None:
    """A piece of text in the format it names or the default; None when it is blank."""
    text_format, rest = take_format(raw, default)
    text = meant(rest, text_format).strip()
    return RichText(text=text, format=text_format) if text else None


def _cut(raw: str) -> tuple[str, str]:
    at = bare(raw, "#")
    return (raw, "") if at < 0 else (raw[:at], raw[at + 1 :])


def _truth(right: bool, comments: str, offset: int, text_format: Format) -> tuple[Choice, ...]:
    """True and False with their feedback: the first is for the wrong answer, the second for the right one (Moodle)."""
    for_wrong, for_right = _cut(comments)
    if bare(for_right, "#") >= 0:
        raise Unreadable(offset, "True or false takes at most two pieces of feedback.")
    spoken = {right: rich(for_right, text_format), not right: rich(for_wrong, text_format)}
    return tuple(
        Choice(
            text=RichText(text=str(value), format="plain"),
            weight=FULL if value is right else Decimal(0),
            feedback=spoken[value],
        )
        for value in (True, False)
    )


def _items(body: str, offset: int) -> list[_Item]:
    places = every_bare(body, "=~")
    if not places or body[: places[0]].strip():
        raise Unreadable(offset, "Each answer begins with = or ~.")
    ends = [*places[1:], len(body)]
    return [_Item(body[at], offset + at, body[at + 1 : end]) for at, end in zip(places, ends, strict=True)]


def _listed(items: list[_Item], offset: int, text_format: Format, feedback: RichText | None) -> Answers:
    signs = {item.sign for item in items}
    if "~" in signs:
        kind: Kind = "single" if "=" in signs else "multiple"
        return Answers(kind, tuple(_choice(item, text_format) for item in items), feedback=feedback)
    arrows = [bare(item.raw, "->") >= 0 and not _WEIGHT.match(item.raw) for item in items]
    if all(arrows):
        return Answers("matching", pairs=tuple(_pair(item, text_format) for item in items), feedback=feedback)
    if any(arrows):
        raise Unreadable(
            offset, "Some answers are pairs with -> and others are not. Write -\\> where an arrow is meant."
        )
    return Answers("short", tuple(_choice(item, text_format) for item in items), feedback=feedback)


def _choice(item: _Item, text_format: Format) -> Choice:
    weight, rest = _weighed(item)
    answer, comment = _cut(rest)
    text = rich(answer, text_format)
    if text is None:
        raise Unreadable(item.offset, "An answer is empty.")
    return Choice(text=text, weight=weight, feedback=rich(comment, text_format))


def _weighed(item: _Item) -> tuple[Decimal, str]:
    match = _WEIGHT.match(item.raw)
    if match is None:
        return (FULL if item.sign == "=" else Decimal(0)), item.raw
    weight = Decimal(match.group(1))
    if abs(weight) > FULL:
        raise Unreadable(item.offset, "A weight lies between -100 and 100 percent.")
    return weight, item.raw[match.end() :]


def _pair(item: _Item, text_format: Format) -> Pair:
    if bare(item.raw, "#") >= 0:
        raise Unreadable(
            item.offset, "Pairs take no feedback of their own. Write \\# where the character is meant."
        )
    arrow = bare(item.raw, "->")
    left_format, left = take_format(item.raw[:arrow], text_format)
    right = meant(item.raw[arrow + 2 :], "plain")
    if not right:
        raise Unreadable(item.offset, "A pair has nothing on its right side.")
    return Pair(left=RichText(text=meant(left, left_format), format=left_format), right=right)


def _numbers(body: str, offset: int, text_format: Format) -> tuple[NumberAnswer, ...]:
    alone = not every_bare(body, "=~")
    items = [_Item("=", offset, body)] if alone else _items(body, offset)
    return tuple(_number(item, text_format) for item in items)


def _number(item: _Item, text_format: Format) -> NumberAnswer:
    weight, rest = _weighed(item)
    spec, comment = _cut(rest)
    if item.sign == "~" and not spec.strip():
        spec = "*"  # `~#feedback` speaks to every other answer
    answer = number_answer(spec, weight, rich(comment, text_format))
    if answer is None:
        raise Unreadable(
            item.offset, f"“{spec.strip()[:40]}” is not a number, a number:tolerance or a low..high."
        )
    return answer
