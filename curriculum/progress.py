"""Progress: how far an advocate is, and the one thing to do next."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from advocates.membership import get_membership
from core.clock import now
from curriculum.attempts import has_quiz
from curriculum.certification import current_award
from curriculum.completion import is_complete, passed_scores
from curriculum.contents import Curriculum, Module
from curriculum.enrolment import Enrolment, content_for, find_enrolment, lessons_read
from hub.programmes import get_programme

MINUTES_PER_QUESTION = 1


@dataclass(frozen=True)
class ModuleProgress:
    """A module, what was read of it, and its quiz."""

    module: Module
    read: frozenset[str]
    has_quiz: bool
    passed: bool
    complete: bool


@dataclass(frozen=True)
class Step:
    """A lesson to read or a quiz to pass."""

    kind: Literal["lesson", "quiz"]
    title: str
    url: str
    minutes: int
    done: bool


@dataclass(frozen=True)
class Progress:
    """How far somebody is; without a next step everything is done."""

    title: str
    percent: int
    certified: bool
    """holds the certification now, whatever this enrolment is at"""
    complete: bool
    next: Literal["lesson", "quiz", "done"]
    next_title: str | None
    next_url: str | None
    next_minutes: int | None
    modules: tuple[ModuleProgress, ...]


def progress_for(membership_id: str) -> Progress | None:
    """How far a membership is in what its programme requires; None when it is not enrolled."""
    member = get_membership(membership_id)
    slug = get_programme(member.programme_id).certification_slug
    enrolment = find_enrolment(membership_id, slug)
    return None if enrolment is None else progress_of(enrolment)


def progress_of(enrolment: Enrolment) -> Progress:
    """How far an enrolment is."""
    content = content_for(enrolment)
    scores, read = passed_scores(enrolment.id), lessons_read(enrolment.id)
    modules = tuple(_module(each, scores, read) for each in content.modules)
    complete = enrolment.completed_at is not None
    steps = [step for each in modules for step in _steps(each, content.draw_size(each.module))]
    step = None if complete else next((each for each in steps if not each.done), None)
    facts = content.certification
    return Progress(
        title=facts.title,
        percent=100 if complete else percent(sum(each.done for each in steps), len(steps)),
        certified=current_award(enrolment.person_id, facts.slug, now()) is not None,
        complete=complete,
        next=step.kind if step else "done",
        next_title=step.title if step else None,
        next_url=step.url if step else None,
        next_minutes=step.minutes if step else None,
        modules=modules,
    )


def steps_of(progress: Progress, content: Curriculum) -> list[Step]:
    """Every lesson and quiz in order."""
    return [step for each in progress.modules for step in _steps(each, content.draw_size(each.module))]


def percent(done: int, of: int) -> int:
    """How much is done, rounded down: 100 means all of it."""
    return done * 100 // of if of else 0


def _module(module: Module, scores: dict[str, Decimal], read: set[tuple[str, str]]) -> ModuleProgress:
    return ModuleProgress(
        module=module,
        read=frozenset(each.slug for each in module.lessons if (module.slug, each.slug) in read),
        has_quiz=has_quiz(module),
        passed=module.slug in scores,
        complete=is_complete(module, scores, read),
    )


def _steps(progress: ModuleProgress, drawn: int) -> Iterator[Step]:
    module = progress.module
    for lesson in module.lessons:
        path = f"/portal/learn/{module.slug}/{lesson.slug}"
        yield Step("lesson", lesson.title, path, lesson.minutes, lesson.slug in progress.read)
    if progress.has_quiz:
        asked = min(drawn, sum(each.is_graded for each in module.quiz))
        path, minutes = f"/portal/learn/{module.slug}/quiz", asked * MINUTES_PER_QUESTION
        yield Step("quiz", f"Quiz: {module.title}", path, minutes, progress.passed)
