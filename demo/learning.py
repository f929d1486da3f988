"""How the demo's people learn: a lesson at a time, then the quiz, mostly right."""

import random
from decimal import Decimal

from curriculum import attempts, enrolment, handing_in
from curriculum.drawing import FrozenQuestion, rights_of
from curriculum.enrolment import Enrolment
from curriculum.responses import Response


def read_next(enrolled: Enrolment) -> bool:
    """Read the next lesson that is not read yet; False when all are."""
    done = enrolment.lessons_read(enrolled.id)
    for module in enrolment.content_for(enrolled).modules:
        for lesson in module.lessons:
            if (module.slug, lesson.slug) not in done:
                enrolment.mark_read(enrolled, module.slug, lesson.slug)
                return True
    return False


def take_quiz(enrolled: Enrolment, module_slug: str, rng: random.Random, *, knows: float) -> bool:
    """One attempt at a quiz by somebody who knows each answer with this probability; True when it was passed."""
    attempt = attempts.start(enrolled, module_slug)
    answers = {}
    for frozen in attempts.questions_of(attempt):
        answer = right_answer(frozen) if rng.random() < knows else None
        if answer is not None:
            answers[frozen.token] = answer
    return bool(handing_in.submit(attempt, answers).passed)


def right_answer(frozen: FrozenQuestion) -> Response | None:
    """An answer that earns the full mark."""
    question = frozen.question
    match question.kind:
        case "single" | "truefalse":
            best = max(frozen.options, key=lambda option: question.choices[option.place].weight)
            return best.token
        case "multiple":
            return [option.token for option in frozen.options if question.choices[option.place].weight > 0]
        case "matching":
            return _matching(frozen)
        case "short":
            best_text = max(question.choices, key=lambda choice: choice.weight).text.text
            return best_text.replace("*", "")
        case "numerical":
            return _number(frozen)
        case _:
            return None


def _matching(frozen: FrozenQuestion) -> Response:
    rights = rights_of(frozen.question)
    by_text = {rights[each.place]: each.token for each in frozen.rights}
    return {left.token: by_text[frozen.question.pairs[left.place].right] for left in frozen.options}


def _number(frozen: FrozenQuestion) -> Response:
    best = max(frozen.question.numbers, key=lambda answer: answer.weight)
    low, high = best.low or Decimal(0), best.high or Decimal(0)
    return str((low + high) / 2)
