"""Attempts: started once, drawn and frozen on the server, saved as they are answered, handed in once."""

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from sqlalchemy import JSON, Index, Text, UniqueConstraint, update
from sqlmodel import Field, SQLModel, col, select

from core.clock import now
from core.columns import key, moment, one_of, word
from core.db import session, update_one
from core.errors import Conflict, Invalid, NotFound
from curriculum.contents import Curriculum, Module
from curriculum.drawing import FrozenQuestion, draw, freeze
from curriculum.enrolment import Enrolment, content_for, get_module, lock
from curriculum.responses import Response, read_response
from curriculum.retakes import Standing, Tried, refuse_unless_ready, standing_after
from curriculum.writings import UNSTORABLE

State = Literal["in_progress", "finished"]
Answers = dict[str, Response]
LATE_BY = timedelta(seconds=30)
"""how late an answer may arrive because of the network"""


class Attempt(SQLModel, table=True):
    """One try at a module's quiz, with its questions as they were; at most one in progress per enrolment and quiz."""

    __tablename__ = "attempt"
    __table_args__ = (
        UniqueConstraint("enrolment_id", "module_slug", "number"),
        one_of("state", get_args(State)),
    )

    id: str = key()
    enrolment_id: str = Field(foreign_key="enrolment.id", sa_type=Text)
    module_slug: str = Field(sa_type=Text)
    number: int
    release_id: str = Field(foreign_key="certification_release.id", sa_type=Text)
    state: State = word("in_progress")
    started_at: datetime = moment(now)
    deadline_at: datetime | None = moment(optional=True, index=True)
    finished_at: datetime | None = moment(optional=True)
    questions: list[dict[str, Any]] = Field(sa_type=JSON)
    """frozen, with their keys: never sent to a page"""
    answers: dict[str, Any] = Field(sa_type=JSON)
    """question token → response"""
    autosave_seq: int = 0
    score: str | None = Field(default=None, sa_type=Text)
    """percent, as the exact decimal"""
    passed: bool | None = None


Index(
    "uq_attempt_in_progress",
    Attempt.enrolment_id,
    Attempt.module_slug,
    unique=True,
    sqlite_where=col(Attempt.state) == "in_progress",
    postgresql_where=col(Attempt.state) == "in_progress",
)


class NoSuchAttempt(NotFound):
    """There is no such attempt."""


class NoQuiz(NotFound):
    """This module has no quiz."""


class AttemptFinished(Conflict):
    """This attempt was handed in already; nothing more can be changed."""


class SavedElsewhere(Conflict):
    """These answers were changed in another window. Here they are as they were saved last."""


class UnstorableAnswer(Invalid):
    """An answer holds characters that cannot be stored."""


def start(enrolment: Enrolment, module_slug: str) -> Attempt:
    """Start an attempt at a module's quiz, or answer the one in progress.

    Questions are drawn and frozen here, unseen ones first. Raises NoSuchModule, NoQuiz, AlreadyPassed, NoAttemptsLeft,
    TooEarly (saying when).
    """
    lock(enrolment)
    module = get_module(enrolment, module_slug)
    if not has_quiz(module):
        raise NoQuiz
    running = in_progress(enrolment.id, module_slug)
    if running is not None and not is_over(running, now()):
        return running
    if running is not None:
        from curriculum.handing_in import close  # handing in knows attempts; here is the one way back

        close(running)
    before = attempts_at(enrolment.id, module_slug)
    refuse_unless_ready(_standing(enrolment, before), now())
    attempt = _new(enrolment, module, before)
    session().add(attempt)
    session().flush()
    return attempt


def _new(enrolment: Enrolment, module: Module, before: Sequence[Attempt]) -> Attempt:
    curriculum = content_for(enrolment)
    return Attempt(
        enrolment_id=enrolment.id,
        module_slug=module.slug,
        number=len(before) + 1,
        release_id=enrolment.release_id,
        started_at=now(),
        deadline_at=deadline(curriculum, enrolment, now()),
        questions=[each.to_json() for each in _drawn(curriculum, module, before)],
        answers={},
    )


def _drawn(curriculum: Curriculum, module: Module, before: Sequence[Attempt]) -> list[FrozenQuestion]:
    rng = random.SystemRandom()  # tokens cannot be foretold
    seen = {each.question.id or "" for attempt in before for each in questions_of(attempt)}
    shuffle = curriculum.certification.quiz_rules.shuffle
    drawn = draw(module.quiz, curriculum.draw_size(module), seen, rng)
    return [freeze(each, rng, shuffle=shuffle) for each in drawn]


def deadline(curriculum: Curriculum, enrolment: Enrolment, start: datetime) -> datetime | None:
    """When an attempt that starts then has to be handed in, extra time included; None where there is no limit."""
    minutes = curriculum.certification.quiz_rules.time_limit_minutes
    return None if minutes is None else start + timedelta(minutes=minutes + enrolment.extra_minutes)


def has_quiz(module: Module) -> bool:
    """Whether a module has questions that a quiz can draw."""
    return any(question.is_graded for question in module.quiz)


def questions_of(attempt: Attempt) -> list[FrozenQuestion]:
    """The questions of an attempt as they were frozen, in their order."""
    return [FrozenQuestion.from_json(each) for each in attempt.questions]


def is_over(attempt: Attempt, at: datetime) -> bool:
    """Whether nothing can be answered any more: handed in, or past its deadline and what the network may take."""
    late = attempt.deadline_at is not None and at > attempt.deadline_at + LATE_BY
    return attempt.state == "finished" or late


def in_progress(enrolment_id: str, module_slug: str) -> Attempt | None:
    """The attempt at a quiz that is not handed in yet."""
    mine = (Attempt.enrolment_id == enrolment_id, Attempt.module_slug == module_slug)
    return session().exec(select(Attempt).where(*mine, Attempt.state == "in_progress")).first()


def attempts_at(enrolment_id: str, module_slug: str) -> list[Attempt]:
    """Every attempt at a module's quiz, the first one first."""
    mine = (Attempt.enrolment_id == enrolment_id, Attempt.module_slug == module_slug)
    return list(session().exec(select(Attempt).where(*mine).order_by(col(Attempt.number))).all())


def standing(enrolment: Enrolment, module_slug: str) -> Standing:
    """How somebody stands with a module's quiz: passed, attempts used and left, when the next may start."""
    return _standing(enrolment, attempts_at(enrolment.id, module_slug))


def _standing(enrolment: Enrolment, attempts: Sequence[Attempt]) -> Standing:
    rules = content_for(enrolment).certification.pass_rules
    tried = [Tried(each.finished_at, bool(each.passed)) for each in attempts if each.finished_at is not None]
    return standing_after(tried, rules, now())


def get_attempt(attempt_id: str, membership_id: str) -> tuple[Attempt, Enrolment]:
    """An attempt of this membership, with its enrolment; raises NoSuchAttempt for everybody else's."""
    attempt = session().get(Attempt, attempt_id)
    enrolment = session().get(Enrolment, attempt.enrolment_id) if attempt is not None else None
    if attempt is None or enrolment is None or enrolment.membership_id != membership_id:
        raise NoSuchAttempt
    return attempt, enrolment


def read_answers(attempt: Attempt, fields: Mapping[str, Sequence[str]]) -> Answers:
    """The answers among a form's fields, by question token; raises UnknownAnswer, AnswerTooLong, UnstorableAnswer."""
    answers: Answers = {}
    for frozen in questions_of(attempt):
        response = read_response(frozen, fields)
        if isinstance(response, str) and UNSTORABLE.search(response.replace("\r", "")):
            raise UnstorableAnswer
        if response is not None:
            answers[frozen.token] = response
    return answers


def unanswered(attempt: Attempt, answers: Mapping[str, Response]) -> list[int]:
    """The numbers, from 1, of the questions without a whole answer."""
    return [
        number
        for number, frozen in enumerate(questions_of(attempt), start=1)
        if not _whole(frozen, answers.get(frozen.token))
    ]


def _whole(frozen: FrozenQuestion, response: Response | None) -> bool:
    return len(response) == len(frozen.options) if isinstance(response, dict) else bool(response)


def autosave(attempt: Attempt, answers: Answers, seq: int) -> int:
    """Keep the answers so far; `seq` counts up within one window. The answer is the number that counts now.

    The same save again changes nothing. Raises AttemptFinished, and SavedElsewhere when another window was later.
    """
    mine = (col(Attempt.id) == attempt.id, col(Attempt.state) == "in_progress")
    if is_over(attempt, now()):
        raise AttemptFinished
    newer = update(Attempt).where(*mine, col(Attempt.autosave_seq) < seq)
    if not update_one(newer.values(answers=answers, autosave_seq=seq)):
        session().refresh(attempt)
        refuse_if_behind(attempt, answers, seq)
    return seq


def refuse_if_behind(attempt: Attempt, answers: Answers, seq: int) -> None:
    """Raise AttemptFinished or SavedElsewhere, with the saved answers, unless these very answers are saved."""
    saved = {"answers": attempt.answers, "seq": attempt.autosave_seq}
    if attempt.state == "finished":
        raise AttemptFinished(details=saved)
    if attempt.autosave_seq > seq or attempt.answers != answers:
        raise SavedElsewhere(details=saved)
