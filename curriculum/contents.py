"""What a certification teaches: modules, lessons and question banks as one frozen value."""

import hashlib
import json
from collections import Counter
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, model_validator

from curriculum.figures import Figure
from curriculum.questions import Frozen, Question
from curriculum.writings import SingleLine, storable

MAX_MODULES = 50
MAX_LESSONS = 50
MAX_LESSON_CHARACTERS = 100_000

Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
Title = Annotated[SingleLine, Field(min_length=1, max_length=150)]
Description = Annotated[str, AfterValidator(storable), Field(max_length=2_000)]
Document = Annotated[str, AfterValidator(storable), Field(max_length=MAX_LESSON_CHARACTERS)]
Position = Annotated[int, Field(ge=1, le=99)]
FeedbackPolicy = Literal["never", "after_pass", "after_last_attempt"]


class PassRules(Frozen):
    """What passing a quiz takes. `cooldown_hours`: the wait before the 1st, 2nd, … retake; the last one repeats."""

    percent: Annotated[Figure, Field(gt=0, le=100)] = Decimal(80)
    attempts: Annotated[int, Field(ge=1, le=100)] | Literal["unlimited"] = "unlimited"
    cooldown_hours: Annotated[tuple[Annotated[int, Field(ge=0, le=8_760)], ...], Field(max_length=20)] = (
        0,
        24,
        72,
    )

    def cooldown_hours_before(self, retake: int) -> int:
        """The wait in hours, from the finish of the last attempt, before retake 1, 2, …"""
        if not self.cooldown_hours:
            return 0
        return self.cooldown_hours[min(retake, len(self.cooldown_hours)) - 1]


class QuizRules(Frozen):
    """How quizzes are put together; a module may draw another number."""

    draw: Annotated[int, Field(ge=1, le=100)] = 6
    shuffle: bool = True
    feedback: FeedbackPolicy = "after_pass"
    time_limit_minutes: Annotated[int, Field(ge=1, le=600)] | None = None


class Certification(Frozen):
    """What is earned, for how long, and by which rules."""

    slug: Slug
    title: Title
    description: Description = ""
    validity_months: Annotated[int, Field(ge=1, le=120)] = 12
    pass_rules: PassRules = PassRules()
    quiz_rules: QuizRules = QuizRules()


class Lesson(Frozen):
    """A lesson in Markdown; `minutes` is how long reading it takes."""

    position: Position
    slug: Slug
    title: Title
    minutes: Annotated[int, Field(ge=1, le=240)] = 5
    text: Document


class Module(Frozen):
    """Lessons, then a quiz of `draw` questions from the bank, and a reviewed assignment where there is one."""

    position: Position
    slug: Slug
    title: Title
    description: Description = ""
    draw: Annotated[int, Field(ge=1, le=100)] | None = None
    lessons: Annotated[tuple[Lesson, ...], Field(max_length=MAX_LESSONS)] = ()
    quiz: tuple[Question, ...] = ()
    assignment: Document = ""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _refuse_twins("lesson", [lesson.slug for lesson in self.lessons])
        _refuse_twins("question id", [question.id or "" for question in self.quiz])
        if list(self.lessons) != sorted(self.lessons, key=_place):
            raise ValueError("lessons stand in the order of their numbers")
        if any(question.id is None for question in self.quiz):
            raise ValueError("every question of a quiz has an id")
        return self


class Curriculum(Frozen):
    """A whole certification as it is imported, drafted, released and exported."""

    certification: Certification
    modules: Annotated[tuple[Module, ...], Field(max_length=MAX_MODULES)] = ()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _refuse_twins("module", [module.slug for module in self.modules])
        if list(self.modules) != sorted(self.modules, key=_place):
            raise ValueError("modules stand in the order of their numbers")
        return self

    def draw_size(self, module: Module) -> int:
        """How many questions a quiz of this module draws."""
        return module.draw or self.certification.quiz_rules.draw


def manifest(curriculum: Curriculum) -> dict[str, JsonValue]:
    """Everything a release consists of, as plain JSON values."""
    return {"format": "spokes-curriculum-1", **curriculum.model_dump(mode="json")}


def curriculum_from(values: dict[str, JsonValue]) -> Curriculum:
    """The curriculum a manifest describes; raises pydantic's ValidationError when it describes none."""
    return Curriculum.model_validate({key: value for key, value in values.items() if key != "format"})


def canonical_json(values: JsonValue) -> bytes:
    """JSON with one spelling: sorted keys, no white space, UTF-8."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def digest(values: dict[str, JsonValue]) -> str:
    """SHA-256 over the canonical JSON of a manifest, in hexadecimal."""
    return hashlib.sha256(canonical_json(values)).hexdigest()


def _place(part: Lesson | Module) -> tuple[int, str]:
    return part.position, part.slug


def _refuse_twins(what: str, names: list[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1 and name]
    if twice:
        raise ValueError(f"two of the same {what}: {', '.join(twice[:5])}")
