"""Handing in: an attempt is graded once, by the key that was frozen into it, whoever asks how often."""

from decimal import Decimal

from sqlalchemy import update
from sqlmodel import col, select

from core.clock import now
from core.db import session, transaction, update_one
from curriculum.attempts import LATE_BY, Answers, Attempt, SavedElsewhere, is_over, questions_of
from curriculum.completion import complete_if_done
from curriculum.enrolment import Enrolment, lock
from curriculum.grading import NOTHING, grade, passed, score
from curriculum.releases import content_of, get_release

BATCH = 100


def submit(attempt: Attempt, answers: Answers, *, seq: int | None = None) -> Attempt:
    """Hand an attempt in and grade it; the second caller gets the first result.

    `seq` is the window's number: raises SavedElsewhere when another one saved later. After the deadline what was saved
    in time counts. The last quiz passed certifies.
    """
    enrolment = session().get_one(Enrolment, attempt.enrolment_id)
    lock(enrolment)
    session().refresh(attempt)
    if attempt.state == "finished":
        return attempt
    if is_over(attempt, now()):
        return close(attempt)
    if seq is not None and attempt.autosave_seq > seq:
        raise SavedElsewhere(details={"answers": attempt.answers, "seq": attempt.autosave_seq})
    return _finish(attempt, answers, enrolment)


def close(attempt: Attempt) -> Attempt:
    """Hand in what was saved of an attempt whose time is over. The caller holds the enrolment's lock."""
    return _finish(attempt, attempt.answers, session().get_one(Enrolment, attempt.enrolment_id))


def _finish(attempt: Attempt, answers: Answers, enrolment: Enrolment) -> Attempt:
    rules = content_of(get_release(attempt.release_id)).certification.pass_rules
    reached = score(_fractions(attempt, answers))
    late = attempt.deadline_at is not None and now() > attempt.deadline_at
    waiting = update(Attempt).where(col(Attempt.id) == attempt.id, col(Attempt.state) == "in_progress")
    update_one(
        waiting.values(
            state="finished",
            answers=answers,
            score=format(reached, "f"),
            passed=passed(reached, rules.percent),
            finished_at=attempt.deadline_at if late else now(),
        )
    )
    session().refresh(attempt)
    if attempt.passed:
        complete_if_done(enrolment)
    return attempt


def _fractions(attempt: Attempt, answers: Answers) -> list[Decimal]:
    return [grade(each, answers.get(each.token)) or NOTHING for each in questions_of(attempt)]


def close_overdue() -> int:
    """Hand in every attempt whose time is over, with what was saved; a job, each attempt in a transaction of its own."""
    with transaction(read_only=True):
        overdue = select(Attempt.id).where(
            Attempt.state == "in_progress", col(Attempt.deadline_at) < now() - LATE_BY
        )
        ids = session().exec(overdue.limit(BATCH)).all()
    for attempt_id in ids:
        with transaction():
            submit(session().get_one(Attempt, attempt_id), {})
    return len(ids)
