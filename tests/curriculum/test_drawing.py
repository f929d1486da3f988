"""A draw is fresh where the bank allows, and a page never learns from it which answer is right."""

import json
import random
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid
from curriculum.drawing import FrozenQuestion, draw, freeze
from curriculum.gift import parse_gift
from curriculum.questions import Question
from curriculum.responses import AnswerTooLong, read_response
from curriculum.showing import shown


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - a test has to be repeatable


def bank(size: int) -> list[Question]:
    return parse_gift("\n\n".join(f"// [id:q{number}]\nIs it {number}?{{T}}" for number in range(size)))[0]


def one(gift: str) -> Question:
    return parse_gift(gift)[0][0]


@given(
    st.integers(0, 12),
    st.integers(0, 8),
    st.sets(st.integers(0, 11).map(lambda n: f"q{n}")),
    st.integers(0, 99),
)
def test_draw_prefers_unseen_questions(count: int, size: int, seen: set[str], seed: int) -> None:
    questions = bank(count)
    drawn = draw(questions, size, seen, dice(seed))
    assert len(drawn) == len({each.id for each in drawn}) == min(size, count)
    unseen = {each.id for each in questions} - seen
    assert len(unseen & {each.id for each in drawn}) == min(len(unseen), size)


def test_draw_leaves_out_what_cannot_be_graded() -> None:
    questions = [*bank(2), one("Read this."), one("Why?{}")]
    assert {each.kind for each in draw(questions, 9, (), dice(1))} == {"truefalse"}


def test_order_and_tokens_are_fresh_for_each_attempt() -> None:
    question = one("Q{=a ~b ~c ~d ~e ~f}")
    attempts = [freeze(question, dice(seed)) for seed in range(20)]
    assert len({tuple(each.place for each in attempt.options) for attempt in attempts}) > 10
    tokens = [
        token for attempt in attempts for token in (attempt.token, *(each.token for each in attempt.options))
    ]
    assert len(set(tokens)) == len(tokens)
    assert [each.place for each in freeze(question, dice(1), shuffle=False).options] == list(range(6))


@pytest.mark.parametrize(
    ("gift", "other_key"),
    [
        ("Q{=a#yes ~b#no ~%50%c}", "Q{~%-5%a ~b#no =c#yes####why}"),
        ("Q{~%50%a ~%50%b ~%-100%c}", "Q{~%-100%a#x ~%-100%b ~%100%c}"),
        ("Q{T#a#b}", "Q{F}"),
        ("The {=one =two} end", "The {=%50%three#x =four =*} end"),
        ("Q{#1}", "Q{#=1..5 =%50%7:1#x####y}"),
        ("Q{=a -> x =b -> y =c -> z}", "Q{=a -> z =b -> x =c -> y####x}"),
        ("Q{}", "Q{####what we look for}"),
        ("// [id:a]\n::Title::Q{T}", "Q{T}"),
        ("// [id:a] [tag:right is a]\n::a is right::Q{=a ~b}", "// note: b\n$CATEGORY: b\nQ{~a =b}"),
    ],
)
def test_page_does_not_change_when_only_the_key_does(gift: str, other_key: str) -> None:
    pages = [shown(freeze(one(text), dice(3))) for text in (gift, other_key)]
    assert pages[0] == pages[1]
    assert set(asdict(pages[0])) == {
        "token",
        "kind",
        "html",
        "tail_html",
        "has_blank",
        "options",
        "lefts",
        "rights",
    }


def test_shown_question_holds_no_word_of_its_key() -> None:
    gift = "// SECRET [id:SECRET] [tag:SECRET]\n$CATEGORY: SECRET\n::SECRET::Q{=a#SECRET ~b#SECRET####SECRET}"
    page = shown(freeze(one(gift), dice(1)))
    assert "SECRET" not in json.dumps(asdict(page))
    assert [each.html for each in page.options] in (["a", "b"], ["b", "a"])


@pytest.mark.parametrize("gift", ["Q{=a ~b}", "Q{=a -> x =b -> y = -> z}", "The {#1..2} end", "Q{T}"])
def test_frozen_question_survives_json(gift: str) -> None:
    frozen = freeze(one(gift), dice(5))
    assert FrozenQuestion.from_json(json.loads(json.dumps(frozen.to_json()))) == frozen


def test_answers_are_read_by_token() -> None:
    single, multiple, short, matching = (
        freeze(one(gift), dice(2))
        for gift in ("Q{=a ~b}", "Q{~%100%a ~%-100%b}", "Q{=a}", "Q{=a -> x =b -> y}")
    )
    first = single.options[0].token
    assert read_response(single, {single.token: [first]}) == first
    assert read_response(single, {}) is None
    assert read_response(single, {single.token: [" "]}) is None
    both = [each.token for each in multiple.options]
    assert read_response(multiple, {multiple.token: [*both, both[0]]}) == sorted(both)
    assert read_response(short, {short.token: [" a "]}) == "a"
    left, right = matching.options[0].token, matching.rights[1].token
    assert read_response(matching, {f"{matching.token}.{left}": [right]}) == {left: right}


@pytest.mark.parametrize("gift", ["Q{=a ~b}", "Q{~%100%a ~%-100%b}", "Q{T}", "Q{=a -> x =b -> y}"])
def test_foreign_tokens_are_refused(gift: str) -> None:
    frozen = freeze(one(gift), dice(2))
    names = [frozen.token, *(f"{frozen.token}.{each.token}" for each in frozen.options)]
    with pytest.raises(Invalid):
        read_response(frozen, {name: ["0"] for name in names})


def test_endless_answer_is_refused() -> None:
    frozen = freeze(one("Q{=a}"), dice(2))
    with pytest.raises(AnswerTooLong):
        read_response(frozen, {frozen.token: ["a" * 501]})
