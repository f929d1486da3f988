"""Marks are exact decimals, and the pass mark is met or not met."""

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curriculum.drawing import FrozenQuestion, freeze
from curriculum.gift import parse_gift
from curriculum.grading import explain, grade, matches, passed, score
from curriculum.responses import Response


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - a test has to be repeatable


def frozen(gift: str) -> FrozenQuestion:
    return freeze(parse_gift(gift)[0][0], dice(7))


def pick(question: FrozenQuestion, *texts: str) -> list[str]:
    """The tokens of the choices with these texts."""
    names = {question.question.choices[each.place].text.text: each.token for each in question.options}
    return [names[text] for text in texts]


@pytest.mark.parametrize(
    ("text", "fraction"), [("right", "1"), ("near", "0.5"), ("wrong", "0"), ("costs", "0")]
)
def test_single_choice_earns_its_weight_and_never_less_than_nothing(text: str, fraction: str) -> None:
    question = frozen("Q?{=right ~%50%near ~wrong ~%-50%costs}")
    assert grade(question, pick(question, text)[0]) == Decimal(fraction)


@pytest.mark.parametrize(
    ("texts", "fraction"),
    [
        (["a", "b", "c"], "1"),
        (["a", "b"], "0.6666666667"),
        (["a"], "0.3333333333"),
        (["a", "b", "c", "x"], "0.4999949999"),
        (["a", "x"], "0"),
        (["x"], "0"),
        ([], "0"),
        (["a", "a", "a"], "0.3333333333"),
    ],
)
def test_multiple_choice_adds_weights_and_thirds_make_a_whole(texts: list[str], fraction: str) -> None:
    question = frozen("Q?{~%33.333%a ~%33.333%b ~%33.333%c ~%-50%x}")
    assert grade(question, pick(question, *texts)) == Decimal(fraction)


def test_right_answers_worth_half_cannot_earn_the_whole() -> None:
    question = frozen("Q?{~%50%a ~%-50%x}")
    assert grade(question, pick(question, "a")) == Decimal("0.5")


def test_true_or_false() -> None:
    question = frozen("Q?{FALSE#no#yes}")
    true, false = (each.token for each in question.options)
    assert grade(question, true) == 0
    assert grade(question, false) == 1
    explained = explain(question, false)
    assert explained is not None
    assert explained.remarks == ("yes",)


@pytest.mark.parametrize(
    ("pattern", "written", "is_match"),
    [
        ("Disclosure", "  disCLOsure ", True),
        ("two words", "two \t words", True),
        ("straße", "STRASSE", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("*", "", True),
        ("a*c", "abc", True),
        ("a*c", "ac", True),
        ("ab*ba", "aba", False),
        ("*b*", "abc", True),
        ("a*b*c", "a-c-b-c", True),
        ("a*b*c", "acb", False),
        ("5\\*5", "5*5", True),
        ("5\\*5", "5x5", False),
        ("a.c", "abc", False),
        ("a", "ab", False),
    ],
)
def test_short_answers_ignore_case_and_know_wildcards(pattern: str, written: str, *, is_match: bool) -> None:
    assert matches(pattern, written) is is_match


def test_wildcards_cannot_be_made_to_hang() -> None:
    assert not matches("*a" * 2_000 + "b", "a" * 20_000)


def test_short_answers_are_tried_in_order() -> None:
    question = frozen("Q?{=Frog =%50%Cat#Nearly =%0%*#No ####All}")
    assert [grade(question, each) for each in ("frog", "cat", "dog")] == [1, Decimal("0.5"), 0]
    explained = explain(question, "cat")
    assert explained is not None
    assert (explained.remarks, explained.feedback) == (("Nearly",), "All")


@pytest.mark.parametrize(
    ("written", "fraction"),
    [
        ("3.1415", "1"),
        ("3,1415", "1"),
        (" 3.142 ", "1"),
        ("3.1420001", "0.5"),
        ("3.15", "0.5"),
        ("\u22123.14", "0"),
        ("1,000.5", "0"),
        ("3.1.4", "0"),
        ("1e1", "0"),
        ("NaN", "0"),
        ("Infinity", "0"),
        ("1e999999999", "0"),
        ("9" * 5_000, "0"),
        ("\u0663", "0"),
        ("", "0"),
    ],
)
def test_numbers_count_within_tolerance_with_point_or_comma(written: str, fraction: str) -> None:
    question = frozen("Pi?{#=3.1415:0.0005 =%50%3..3.2}")
    assert grade(question, written) == Decimal(fraction)


def test_matching_earns_its_share_and_distractors_ask_nothing() -> None:
    question = frozen("Q{=cat -> meow =dog -> woof =hen -> cluck = -> moo}")
    names = sorted({pair.right for pair in question.question.pairs})
    right = {names[each.place]: each.token for each in question.rights}
    left = {question.question.pairs[each.place].left.text: each.token for each in question.options}
    assert set(left) == {"cat", "dog", "hen"}
    assert grade(question, {left["cat"]: right["meow"], left["dog"]: right["moo"]}) == Decimal("0.3333333333")
    assert (
        grade(question, {left["cat"]: right["meow"], left["dog"]: right["woof"], left["hen"]: right["cluck"]})
        == 1
    )


@pytest.mark.parametrize("response", [None, "", "x", [], ["x"], {}, {"x": "y"}])
@pytest.mark.parametrize(
    "gift", ["Q{=a ~b}", "Q{~%100%a ~%-100%b}", "Q{T}", "Q{=a}", "Q{#1}", "Q{=a -> b =c -> d}"]
)
def test_response_that_does_not_fit_earns_nothing(gift: str, response: Response | None) -> None:
    assert grade(frozen(gift), response) == 0


def test_essay_waits_for_a_person() -> None:
    assert grade(frozen("Why?{}"), "Because.") is None
    assert explain(frozen("Why?{}"), "Because.") is None


def test_score_is_exact_and_does_not_pass_by_rounding() -> None:
    assert score([Decimal(1), Decimal("0.59")]) == Decimal("79.5")
    assert not passed(Decimal("79.5"), Decimal(80))
    assert not passed(Decimal("79.999999"), Decimal(80))
    assert passed(Decimal(80), Decimal(80))
    assert score([]) == 0


def test_three_thirds_and_a_whole_are_half_of_four() -> None:
    third = Decimal("0.3333333333")
    assert passed(score([third, third, third, Decimal(1)]), Decimal(50))


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_score_of_rights_and_wrongs_is_their_share(answers: list[bool]) -> None:
    reached = score([Decimal(each) for each in answers])
    assert 0 <= reached <= 100
    assert passed(reached, Decimal(80)) == (sum(answers) * 100 >= 80 * len(answers))
