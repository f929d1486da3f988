"""Completion: whether everything of an enrolment is done; then it becomes an award."""

from decimal import ROUND_DOWN, Decimal

from sqlmodel import col, select

from core.db import session
from curriculum.attempts import Attempt, has_quiz
from curriculum.certification import Award, award
from curriculum.contents import Module
from curriculum.enrolment import Enrolment, content_for, lessons_read, lock, mark_read
from curriculum.grading import SCORE_PLACES
from curriculum.questions import FULL


def finish_lesson(enrolment: Enrolment, module_slug: str, lesson_slug: str) -> None:
    """Be done with a lesson; the last thing to do certifies. Again changes nothing. Raises NoSuchModule."""
    lock(enrolment)
    mark_read(enrolment, module_slug, lesson_slug)
    complete_if_done(enrolment)


def complete_if_done(enrolment: Enrolment) -> Award | None:
    """The award, when every quiz is passed (and, in modules without one, every lesson read); the caller holds the lock."""
    scores, read = passed_scores(enrolment.id), lessons_read(enrolment.id)
    modules = content_for(enrolment).modules
    if enrolment.completed_at is not None or not modules:
        return None
    if not all(is_complete(module, scores, read) for module in modules):
        return None
    asked = [scores[module.slug] for module in modules if has_quiz(module)]
    mean = sum(asked, Decimal(0)) / len(asked) if asked else FULL
    return award(enrolment, mean.quantize(SCORE_PLACES, ROUND_DOWN).normalize())


def is_complete(module: Module, scores: dict[str, Decimal], read: set[tuple[str, str]]) -> bool:
    """Whether a module is done: its quiz passed, or without one all its lessons read."""
    if has_quiz(module):
        return module.slug in scores
    return all((module.slug, lesson.slug) in read for lesson in module.lessons)


def passed_scores(enrolment_id: str) -> dict[str, Decimal]:
    """The score of every quiz that was passed, in percent, by module."""
    passed = select(Attempt.module_slug, Attempt.score).where(
        Attempt.enrolment_id == enrolment_id, col(Attempt.passed).is_(True)
    )
    return {slug: Decimal(score or 0) for slug, score in session().exec(passed).all()}
