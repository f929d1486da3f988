"""The certification that comes with Spokes is complete, sound, and its own canonical form."""

import random
from pathlib import Path

import pytest

from curriculum.contents import Curriculum, digest, manifest
from curriculum.drawing import FrozenQuestion, freeze, rights_of
from curriculum.folder import BUILT_IN, files_of, read_curriculum
from curriculum.grading import grade
from curriculum.markdown import render_markdown
from curriculum.questions import Question
from curriculum.responses import Response


@pytest.fixture(scope="module")
def built_in() -> Curriculum:
    curriculum, problems = read_curriculum(BUILT_IN)
    assert problems == []
    assert curriculum is not None
    return curriculum


def test_export_gives_the_very_same_files(built_in: Curriculum) -> None:
    on_disk = {
        path.relative_to(BUILT_IN).as_posix(): path.read_text("utf-8") for path in BUILT_IN.rglob("*.*")
    }
    assert files_of(built_in) == on_disk


def test_export_elsewhere_has_the_same_release_hash(built_in: Curriculum, tmp_path: Path) -> None:
    for name, text in files_of(built_in).items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    again, problems = read_curriculum(tmp_path)
    assert problems == []
    assert again is not None
    assert digest(manifest(again)) == digest(manifest(built_in))


def test_it_has_lessons_of_substance_and_full_banks(built_in: Curriculum) -> None:
    assert built_in.certification.validity_months == 12
    assert len(built_in.modules) >= 3
    for module in built_in.modules:
        assert len(module.lessons) >= 2
        assert all(400 <= len(lesson.text.split()) <= 700 for lesson in module.lessons)
        assert all("## Do this now" in lesson.text for lesson in module.lessons)
        assert len(module.quiz) >= max(12, 3 * built_in.draw_size(module))
        assert len({question.kind for question in module.quiz}) >= 6


def test_every_question_can_be_answered_in_full_and_says_why(built_in: Curriculum) -> None:
    for module in built_in.modules:
        for question in module.quiz:
            frozen = freeze(question, random.SystemRandom())
            assert grade(frozen, best(frozen)) == 1, question.id
            assert question.feedback, question.id


def test_lessons_are_safe_and_plain_html(built_in: Curriculum) -> None:
    for module in built_in.modules:
        for lesson in module.lessons:
            html = render_markdown(lesson.text)
            assert "<h2>" in html
            assert "<h1" not in html


def best(frozen: FrozenQuestion) -> Response:
    """The response that earns the most."""
    question = frozen.question
    match question.kind:
        case "multiple":
            return [each.token for each in frozen.options if question.choices[each.place].weight > 0]
        case "single" | "truefalse":
            return next(each.token for each in frozen.options if question.choices[each.place].weight == 100)
        case "matching":
            return _pairs(frozen, question)
        case "numerical":
            return str(next(each.low for each in question.numbers if each.weight == 100))
        case _:
            return next(each.text.text for each in question.choices if each.weight == 100)


def _pairs(frozen: FrozenQuestion, question: Question) -> dict[str, str]:
    names = rights_of(question)
    by_name = {names[each.place]: each.token for each in frozen.rights}
    return {each.token: by_name[question.pairs[each.place].right] for each in frozen.options}
