"""What tests of the curriculum tell over and over."""

from decimal import Decimal

from advocates.membership import Membership
from core.access import COMMAND
from curriculum.attempts import Answers, Attempt, questions_of, start
from curriculum.certification import Award, award
from curriculum.contents import Certification, Curriculum, Lesson, Module, PassRules, QuizRules
from curriculum.enrolment import Enrolment, enrol
from curriculum.handing_in import submit
from curriculum.questions import FULL, Choice, Question, RichText
from curriculum.releases import Release, publish
from tests.factories import Cast

SLUG = "certified-advocate"


def make_question(number: int, right: str = "yes", prefix: str = "q") -> Question:
    """A single choice whose right answer is named; asked as `Question <number>?`."""
    choices = tuple(
        Choice(
            text=RichText(text=each, format="plain"),
            weight=Decimal(100 if each == right else 0),
            feedback=RichText(text=f"Remark on {each}.", format="plain"),
        )
        for each in ("yes", "no", "perhaps")
    )
    text = RichText(text=f"Question {number}?", format="plain")
    return Question(
        id=f"{prefix}-{number}",
        kind="single",
        text=text,
        choices=choices,
        feedback=RichText(text=f"Because of {number}.", format="plain"),
    )


def make_module(position: int, slug: str, questions: tuple[Question, ...], **changes: object) -> Module:
    """A module of two lessons and a quiz; `changes` are fields."""
    lessons = tuple(
        Lesson(
            position=each, slug=f"lesson-{each}", title=f"Lesson {each} of {slug}", text="## Read\n\nThis."
        )
        for each in (1, 2)
    )
    fields = {
        "position": position,
        "slug": slug,
        "title": slug.title(),
        "lessons": lessons,
        "quiz": questions,
    }
    return Module.model_validate({**fields, **changes})


def make_curriculum(
    *modules: Module, rules: PassRules | None = None, quiz: QuizRules | None = None, **changes: object
) -> Curriculum:
    """A small certification: two modules of six questions, three drawn, pass at 80."""
    facts: dict[str, object] = {
        "slug": SLUG,
        "title": "Certified Advocate",
        "pass_rules": rules or PassRules(),
        "quiz_rules": quiz or QuizRules(draw=3),
    }
    bank = tuple(make_question(each) for each in range(1, 7))
    given = modules or (make_module(1, "basics", bank), make_module(2, "honesty", bank))
    return Curriculum(certification=Certification.model_validate({**facts, **changes}), modules=given)


def make_release(cast: Cast, curriculum: Curriculum | None = None) -> Release:
    """The hub publishes a curriculum."""
    return publish(curriculum or make_curriculum(), unit_id=cast.hub.id, by=COMMAND)


def make_enrolment(member: Membership) -> Enrolment:
    """The advocate is enrolled in what is published."""
    return enrol(member.id, member.person_id, SLUG)


def certify(member: Membership, score: str = "90") -> Award:
    """The advocate is certified, without the quizzes (tests of attempts go through them)."""
    return award(make_enrolment(member), Decimal(score))


def answers_to(attempt: Attempt, *, right: int) -> Answers:
    """Answers of which so many are right, the others wrong (single choices of `make_question` only)."""
    answers: Answers = {}
    for number, frozen in enumerate(questions_of(attempt)):
        wanted = FULL if number < right else Decimal(0)
        places = {each.token: frozen.question.choices[each.place].weight for each in frozen.options}
        answers[frozen.token] = next(token for token, weight in places.items() if weight == wanted)
    return answers


def pass_quiz(enrolment: Enrolment, module_slug: str) -> Attempt:
    """The advocate passes a module's quiz with every answer right."""
    attempt = start(enrolment, module_slug)
    return submit(attempt, answers_to(attempt, right=len(attempt.questions)))
