"""What a GIFT file gets wrong is said by line, and the rest of the file is read."""

import time

import pytest

from curriculum.gift import parse_gift

GOOD = "Is it so?{T}\n\n"


@pytest.mark.parametrize(
    ("block", "line", "words"),
    [
        ("::Title Is it?{T}", 3, "never closed with ::"),
        ("Which?{\n  =a\n  ~b", 3, "not closed"),
        ("Which} is it?", 3, "without its {"),
        ("Which?{=a}\nor {=b}", 4, "one pair of braces"),
        ("Which?{a ~b =c}", 3, "begins with = or ~"),
        ("Which?{\n=a\n~\n~b}", 5, "An answer is empty"),
        ("Which?{\n=a\n~%150%b}", 5, "between -100 and 100"),
        ("Which?{~a ~b}", 3, "no answer is right"),
        ("Which?{=a ~%-50%}", 3, "An answer is empty"),
        ("How many?{#three}", 3, "is not a number"),
        ("How many?{#5..1}", 3, "is not a number"),
        ("How many?{#1:-1}", 3, "is not a number"),
        ("How many?{#1e99}", 3, "is not a number"),
        ("Match{=a -> b =c}", 3, "Some answers are pairs"),
        ("Match{=a -> b =c ->}", 3, "nothing on its right side"),
        ("Match{=a -> b =c -> d#why}", 3, "no feedback of their own"),
        ("Match{=a -> b =c -> b}", 3, "two different answers"),
        ("Really?{T#a#b#c}", 3, "at most two"),
        ("{}", 3, "needs a text"),
        ("::" + "t" * 300 + "::Is it?{T}", 3, "title"),
        ("Which?{=" + "~a" * 60 + "}", 3, "An answer is empty"),
        ("Which?{=right" + "~a" * 60 + "}", 3, "choices"),
    ],
)
def test_unreadable_question_is_left_out_and_said_where(block: str, line: int, words: str) -> None:
    questions, problems = parse_gift(GOOD + block + "\n\n" + GOOD)
    assert len(questions) == 2
    assert [(problem.line, problem.severity) for problem in problems] == [(line, "error")]
    assert words in problems[0].sentence


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Which?{~%50%a ~%40%b ~%-100%c}", "add up to 90 percent"),
        ("Which?{~%50%a ~%50%b ~c}", "choosing every answer"),
        ("Which?{=%50%a ~c}", "No answer earns the full mark"),
        ("How many?{#=%50%3:1}", "No answer earns the full mark"),
        ("// [id:a]\n// [id:b]\nIs it?{T}", "one id"),
        ("// [id:a]\n\nIs it?{T}", "stands apart"),
        ("Is it?{T}\n\n// the end", "remark at the end"),
        ("Is \x00 it?{T}", "cannot be stored"),
    ],
)
def test_doubtful_question_is_read_with_a_warning(text: str, words: str) -> None:
    questions, problems = parse_gift(text)
    assert len(questions) == 1
    assert [problem.severity for problem in problems] == ["warning"]
    assert words in problems[0].sentence


def test_ids_tags_categories_and_remarks_find_their_question() -> None:
    text = (
        "\ufeff// Bank of the first week\r\n\r\n$CATEGORY: tom/dick: one\r\n\r\n// [id:a-1] [tag:x] [tag:y\\]z]\r\n"
        "Is it?{T}\r\n\r\n// plain\r\nAnd this?{\r\n// in between [tag:z]\r\nF}\r\n\r\n$CATEGORY:\r\nAsk.\r\n"
    )
    questions, problems = parse_gift(text)
    assert problems == []
    assert [each.category for each in questions] == ["tom/dick: one", "tom/dick: one", ""]
    assert [each.id for each in questions] == ["a-1", None, None]
    assert [each.tags for each in questions] == [("x", "y]z"), ("z",), ()]
    assert [each.note for each in questions] == ["Bank of the first week", "plain\nin between", ""]


def test_too_large_a_file_is_refused_at_once() -> None:
    assert parse_gift("x" * 2_000_001) == ([], parse_gift("y" * 2_000_001)[1])
    assert "longer than" in parse_gift("x" * 50_001)[1][0].sentence
    assert "Everything after" in parse_gift("Is it?{T}\n\n" * 2_001)[1][-1].sentence


@pytest.mark.parametrize(
    "piece", ["\\", "[tag:\\", "{", "::", "//", "~", "#", "[id:[id:", "-\\>", "\n\n", "%1%"]
)
def test_hostile_repetition_is_read_in_time(piece: str) -> None:
    started = time.process_time()
    parse_gift("// " + piece * (48_000 // len(piece)))
    parse_gift("Which?{=a ~" + piece * (48_000 // len(piece)) + "}")
    assert time.process_time() - started < 2
