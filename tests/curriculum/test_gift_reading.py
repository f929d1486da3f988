"""GIFT as others write it: read against the published examples and their expected reading."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from curriculum.gift import parse_gift
from curriculum.questions import FULL, Choice, NumberAnswer, Question, RichText

EXAMPLES = Path(__file__).parents[2].parent / "shared" / "data" / "gift"
NAMES = [
    "TFTwoFeedback",
    "categorySpecialCharacter",
    "descriptionTitleEscapedColon",
    "escapeAll",
    "escapeEquals",
    "markdown",
    "mc1",
    "mc4",
    "mcHTMLComment",
    "numerical1",
    "shortAnswer1",
    "shortAnswerNotMatching",
    "shortFirstEmbeddedUnderline",
    "tag_id_and_two_tags",
    "tf1",
    "tf1_markdown",
    "totara_moodle_match",
    "totara_moodle_multichoice_multi",
    "totara_moodle_pre_content",
    "totara_moodle_shortanswer_general_feedback",
    "totara_moodle_truefalse_true_answer1",
    "type_inferred_multiline_markdown",
]
KINDS = {
    "MC": {"single", "multiple"},
    "TF": {"truefalse"},
    "Short": {"short"},
    "Numerical": {"numerical"},
    "Matching": {"matching"},
    "Essay": {"essay"},
    "Description": {"description"},
}


@pytest.mark.parametrize("name", NAMES)
def test_example_is_read_as_expected(name: str) -> None:
    source, expected = EXAMPLES / f"{name}.gift", EXAMPLES / f"{name}.json"
    if not source.exists():
        pytest.skip(f"public example {name}.gift is not here")
    questions, problems = parse_gift(source.read_text("utf-8"))
    assert not [problem for problem in problems if problem.severity == "error"]
    wanted = [each for each in json.loads(expected.read_text("utf-8")) if each["type"] != "Category"]
    assert len(questions) == len(wanted)
    for question, reading in zip(questions, wanted, strict=True):
        _agrees(question, reading)


def test_every_example_is_in_the_list() -> None:
    if not EXAMPLES.exists():
        pytest.skip("the public examples are not here")
    assert {path.stem for path in EXAMPLES.glob("*.gift")} <= set(NAMES)


def _agrees(question: Question, reading: dict[str, Any]) -> None:
    assert question.kind in KINDS[reading["type"]]
    assert (question.id, question.title or None) == (reading["id"], reading["title"])
    assert list(question.tags) == (reading["tags"] or [])
    stem = f"{question.text.text} _____ {question.tail}" if question.tail else question.text.text
    assert reading["stem"] == {"format": question.text.format, "text": stem}
    assert bool(question.tail) == reading["hasEmbeddedAnswers"]
    assert _plain(question.feedback) == reading.get("globalFeedback")
    match reading["type"]:
        case "MC" | "Short":
            assert [_choice(each) for each in question.choices] == [
                _weighed(each) for each in reading["choices"]
            ]
        case "TF":
            _agrees_on_truth(question, reading)
        case "Numerical":
            listed = (
                reading["choices"] if isinstance(reading["choices"], list) else [_alone(reading["choices"])]
            )
            assert [_number(each) for each in question.numbers] == [_expected_number(each) for each in listed]
        case "Matching":
            pairs = [{"subquestion": _plain(each.left), "subanswer": each.right} for each in question.pairs]
            assert pairs == reading["matchPairs"]


def _agrees_on_truth(question: Question, reading: dict[str, Any]) -> None:
    """The expected reading names feedback by its place; the first speaks to the wrong answer, whatever the key."""
    true, false = question.choices
    right, wrong = (true, false) if reading["isTrue"] else (false, true)
    assert right.weight == FULL
    assert wrong.weight == 0
    assert _plain(wrong.feedback) == reading["trueFeedback"]
    assert _plain(right.feedback) == reading["falseFeedback"]


def _plain(text: RichText | None) -> dict[str, str] | None:
    return {"format": text.format, "text": text.text} if text else None


def _choice(choice: Choice) -> tuple[Any, ...]:
    return _plain(choice.text), _plain(choice.feedback), choice.weight


def _weighed(reading: dict[str, Any]) -> tuple[Any, ...]:
    implied = 100 if reading["isCorrect"] else 0
    weight = implied if reading["weight"] is None else reading["weight"]
    return reading["text"], reading["feedback"], Decimal(str(weight))


def _number(answer: NumberAnswer) -> tuple[Any, ...]:
    return answer.low, answer.high, answer.weight, _plain(answer.feedback)


def _alone(figures: dict[str, Any]) -> dict[str, Any]:
    return {"text": figures, "weight": None, "feedback": None}


def _expected_number(reading: dict[str, Any]) -> tuple[Any, ...]:
    figures = {key: Decimal(str(value)) for key, value in reading["text"].items() if key != "type"}
    number, around = figures.get("number", Decimal(0)), figures.get("range", Decimal(0))
    low, high = figures.get("numberLow", number - around), figures.get("numberHigh", number + around)
    return low, high, Decimal(100 if reading["weight"] is None else reading["weight"]), reading["feedback"]
