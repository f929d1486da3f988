"""Whatever is written as GIFT is read back the same, and nothing that is read breaks the reader."""

import string
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from curriculum.gift import parse_gift, write_gift
from curriculum.questions import Choice, NumberAnswer, Pair, Question, RichText

SIGNS = "~=#{}:\\n[]%*->/$.# \t\n" + string.ascii_letters[:6] + "0é漢"
storable = st.text(st.characters(exclude_categories=("Cc", "Cs")) | st.sampled_from("\n\t"), max_size=20)
tricky = st.text(SIGNS, max_size=20) | st.sampled_from(
    [
        "[html]x",
        "%50%x",
        "::t::",
        "// x",
        "$CATEGORY: x",
        "a -> b",
        "-\\>",
        "\\\\n",
        "####",
        "T",
        "TRUE",
        "*",
        "[id:x]",
        "{}",
    ]
)
prose = (tricky | storable).map(str.strip)
filled = prose.filter(bool)
formats = st.sampled_from(["html", "markdown", "moodle", "plain"])
rich = st.builds(RichText, text=filled, format=formats)
feedback = st.none() | rich
figures = st.decimals(-1000, 1000, places=3, allow_nan=False, allow_infinity=False)
labels = st.text(SIGNS, min_size=1, max_size=12).filter(lambda text: bool(text.strip()))
weights = st.sampled_from([Decimal(each) for each in ("-100", "-33.33333", "0", "25", "50", "100")])
choices = st.builds(Choice, text=rich, weight=weights, feedback=feedback)


def _key(texts: list[Choice]) -> list[Choice]:
    return [texts[0].model_copy(update={"weight": Decimal(100)}), *texts[1:]]


def _truths(draw: st.DrawFn) -> tuple[Choice, ...]:
    right = draw(st.booleans())
    return tuple(
        Choice(
            text=RichText(text=str(value), format="plain"),
            weight=100 if value is right else 0,
            feedback=draw(feedback),
        )
        for value in (True, False)
    )


@st.composite
def numbers(draw: st.DrawFn) -> NumberAnswer:
    low, size = draw(figures), abs(draw(figures))
    weight, spoken, form = draw(weights), draw(feedback), draw(st.sampled_from(["tolerance", "range"]))
    return NumberAnswer(low=low, high=low + 2 * size, form=form, weight=weight, feedback=spoken)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    kind = draw(
        st.sampled_from(
            ["single", "multiple", "truefalse", "short", "numerical", "matching", "essay", "description"]
        )
    )
    fields: dict[str, Any] = {
        "kind": kind,
        "text": draw(rich),
        "title": draw(tricky),
        "id": draw(st.none() | labels),
    }
    fields |= {"tags": tuple(dict.fromkeys(draw(st.lists(labels, max_size=3)))), "category": draw(prose)}
    fields["note"] = draw(prose.filter(lambda text: "[id:" not in text and "[tag:" not in text))
    if kind != "description":
        fields |= {"tail": draw(prose), "feedback": draw(feedback)}
    if kind in ("single", "multiple"):
        fields["choices"] = _key(draw(st.lists(choices, min_size=2, max_size=5)))
    elif kind == "short":
        fields["choices"] = _key(draw(st.lists(choices, min_size=1, max_size=5)))
    elif kind == "truefalse":
        fields["choices"] = _truths(draw)
    elif kind == "numerical":
        more = draw(st.lists(numbers(), max_size=3))
        fields["numbers"] = [draw(numbers()).model_copy(update={"weight": Decimal(100)}), *more]
    elif kind == "matching":
        rights = draw(
            st.lists(filled.map(lambda text: " ".join(text.split())), min_size=2, max_size=4, unique=True)
        )
        fields["pairs"] = [Pair(left=draw(rich), right=right) for right in rights]
    question = Question.model_validate(fields)
    return Question.model_validate(question.model_dump() | {"tags": tuple(dict.fromkeys(question.tags))})


@settings(max_examples=300, deadline=None)
@given(st.lists(questions(), max_size=4))
def test_written_questions_are_read_back_the_same(bank: list[Question]) -> None:
    text = write_gift(bank)
    again, problems = parse_gift(text)
    assert again == bank
    assert not [problem for problem in problems if problem.severity == "error"]
    assert write_gift(again) == text


@settings(max_examples=400, deadline=None)
@given(st.text(SIGNS + "TF\r\x00\ud800", max_size=200) | st.text(max_size=100))
def test_reader_never_raises_and_every_problem_has_a_line(text: str) -> None:
    read, problems = parse_gift(text)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
    assert all(1 <= problem.line <= lines and problem.sentence for problem in problems)
    assert parse_gift(write_gift(read))[0] == read


@settings(max_examples=100, deadline=None)
@given(questions())
def test_questions_survive_json(question: Question) -> None:
    assert Question.from_json(question.to_json()) == question
