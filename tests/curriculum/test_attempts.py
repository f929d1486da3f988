"""Attempts: what a naive quiz falls into, each trap a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from core.clock import at, now
from core.db import session, transaction
from curriculum.attempts import (
    Attempt,
    AttemptFinished,
    NoQuiz,
    NoSuchAttempt,
    SavedElsewhere,
    autosave,
    get_attempt,
    questions_of,
    read_answers,
    standing,
    start,
    unanswered,
)
from curriculum.certification import Award, award_of
from curriculum.contents import PassRules, QuizRules
from curriculum.enrolment import Enrolment
from curriculum.handing_in import close_overdue, submit
from curriculum.questions import Question
from curriculum.releases import publish
from curriculum.retakes import AlreadyPassed, NoAttemptsLeft, TooEarly
from tests.at_once import at_once
from tests.curriculum.stories import (
    answers_to,
    make_curriculum,
    make_enrolment,
    make_module,
    make_question,
    make_release,
    pass_quiz,
)
from tests.factories import Cast, acting, make_advocate

MORNING = datetime(2026, 3, 2, 9, tzinfo=UTC)


@contextmanager
def learning(cast: Cast, **changes: object) -> Iterator[Enrolment]:
    """An advocate who is enrolled, in an open transaction."""
    with transaction():
        make_release(cast, make_curriculum(**changes))  # type: ignore[arg-type]  # fields by name
        yield make_enrolment(make_advocate(cast.programme))


def again(enrolment: Enrolment) -> Enrolment:
    """The same enrolment, read anew."""
    return session().get_one(Enrolment, enrolment.id)


def bank(size: int) -> tuple[Question, ...]:
    return tuple(make_question(each) for each in range(size))


# 1. The attempt exists at the start, once; drawn and frozen here.


def test_starting_again_answers_the_same_attempt(cast: Cast) -> None:
    with learning(cast) as enrolment:
        first = start(enrolment, "basics")
        second = start(enrolment, "basics")
        assert second.id == first.id
        assert second.questions == first.questions
        assert len(first.questions) == 3
        assert start(enrolment, "honesty").id != first.id


def test_two_starts_at_once_make_one_attempt(cast: Cast) -> None:
    with learning(cast) as enrolment:
        pass

    def begin() -> str:
        with transaction():
            return start(again(enrolment), "basics").id

    found = at_once(begin, begin, begin)
    assert len({str(each) for each in found}) == 1
    with transaction(read_only=True):
        assert len(session().exec(select(Attempt)).all()) == 1


def test_database_itself_allows_one_attempt_in_progress(cast: Cast) -> None:
    with learning(cast) as enrolment:
        attempt = start(enrolment, "basics")
    twin = Attempt.model_validate(attempt.model_dump(exclude={"id"}) | {"number": 2})
    with pytest.raises(IntegrityError), transaction():
        session().add(Attempt(**twin.model_dump()))


def test_module_without_questions_has_no_quiz(cast: Cast) -> None:
    with transaction():
        make_release(cast, make_curriculum(make_module(1, "reading", ())))
        with pytest.raises(NoQuiz):
            start(make_enrolment(make_advocate(cast.programme)), "reading")


# 2. Handing in is idempotent; autosave carries a number.


def test_handing_in_twice_answers_the_first_result(cast: Cast) -> None:
    with learning(cast) as enrolment:
        attempt = start(enrolment, "basics")
        first = submit(attempt, answers_to(attempt, right=3))
        assert (first.state, first.score, first.passed) == ("finished", "100.000000", True)
        second = submit(attempt, answers_to(attempt, right=0))
        assert (second.score, second.passed) == ("100.000000", True)


def test_two_who_hand_in_at_once_get_one_result(cast: Cast) -> None:
    with learning(cast) as enrolment:
        attempt_id = start(enrolment, "basics").id

    def hand_in(right: int) -> str | None:
        with transaction():
            attempt = session().get_one(Attempt, attempt_id)
            return submit(attempt, answers_to(attempt, right=right)).score

    found = at_once(lambda: hand_in(3), lambda: hand_in(0), lambda: hand_in(2))
    assert len({str(each) for each in found}) == 1
    with transaction(read_only=True):
        assert session().get_one(Attempt, attempt_id).score == found[0]


def test_stale_window_is_refused_and_gets_the_saved_answers(cast: Cast) -> None:
    with learning(cast) as enrolment:
        attempt = start(enrolment, "basics")
        newer, older = answers_to(attempt, right=3), answers_to(attempt, right=0)
        assert autosave(attempt, newer, 2) == 2
        for seq in (1, 2):
            with pytest.raises(SavedElsewhere) as refused:
                autosave(attempt, older, seq)
            assert refused.value.status == 409
            assert refused.value.details == {"answers": newer, "seq": 2}
        assert autosave(attempt, newer, 2) == 2  # the same save again, because the answer got lost
        with pytest.raises(SavedElsewhere):
            submit(attempt, older, seq=1)
        assert submit(attempt, newer, seq=2).passed
        with pytest.raises(AttemptFinished):
            autosave(attempt, older, 9)
        assert attempt.answers == newer


def test_two_saves_at_once_keep_the_one_with_the_higher_number(cast: Cast) -> None:
    with learning(cast) as enrolment:
        attempt = start(enrolment, "basics")
        newer, older = answers_to(attempt, right=3), answers_to(attempt, right=0)

    def save(seq: int) -> int:
        with transaction():
            return autosave(session().get_one(Attempt, attempt.id), newer if seq == 2 else older, seq)

    found = at_once(lambda: save(1), lambda: save(2))
    assert found[1] == 2
    with transaction(read_only=True):
        assert session().get_one(Attempt, attempt.id).answers == newer


def test_attempt_of_somebody_else_is_not_there(cast: Cast) -> None:
    with learning(cast) as enrolment:
        attempt = start(enrolment, "basics")
        other = make_advocate(cast.programme, "Otto Other")
        assert get_attempt(attempt.id, enrolment.membership_id)[0].id == attempt.id
        with pytest.raises(NoSuchAttempt):
            get_attempt(attempt.id, other.id)


def test_answers_are_read_by_token_and_what_is_missing_is_named(cast: Cast) -> None:
    with learning(cast) as enrolment:
        attempt = start(enrolment, "basics")
        whole = answers_to(attempt, right=3)
        fields = {token: [str(answer)] for token, answer in whole.items()} | {"csrf_token": ["x"]}
        assert read_answers(attempt, fields) == whole
        second = questions_of(attempt)[1].token
        assert unanswered(attempt, {k: v for k, v in whole.items() if k != second}) == [2]


# 4. Server time.


def test_late_answers_do_not_count_but_those_saved_in_time_do(cast: Cast) -> None:
    with at(MORNING), learning(cast, quiz=QuizRules(draw=3, time_limit_minutes=10)) as enrolment:
        attempt = start(enrolment, "basics")
        assert attempt.deadline_at == MORNING + timedelta(minutes=10)
        autosave(attempt, answers_to(attempt, right=1), 1)
    with at(MORNING + timedelta(minutes=11)), transaction():
        late = submit(session().get_one(Attempt, attempt.id), answers_to(attempt, right=3), seq=1)
        assert late.score == "33.333333"
        assert late.finished_at == MORNING + timedelta(minutes=10)


def test_extra_time_is_added_and_the_clock_hands_in_what_is_overdue(cast: Cast) -> None:
    with at(MORNING), learning(cast, quiz=QuizRules(draw=3, time_limit_minutes=10)) as enrolment:
        enrolment.extra_minutes = 5
        session().add(enrolment)
        attempt = start(enrolment, "basics")
        assert attempt.deadline_at == MORNING + timedelta(minutes=15)
        autosave(attempt, answers_to(attempt, right=3), 1)
    with at(MORNING + timedelta(minutes=15)):
        assert close_overdue() == 0
    with at(MORNING + timedelta(minutes=16)):
        assert close_overdue() == 1
        assert close_overdue() == 0
    with transaction(read_only=True):
        assert session().get_one(Attempt, attempt.id).passed


def test_starting_after_the_deadline_closes_the_old_attempt_first(cast: Cast) -> None:
    with at(MORNING), learning(cast, quiz=QuizRules(draw=3, time_limit_minutes=10)) as enrolment:
        first = start(enrolment, "basics")
    with at(MORNING + timedelta(hours=1)), transaction():
        second = start(again(enrolment), "basics")
        assert second.number == 2
        assert session().get_one(Attempt, first.id).passed is False


# 5. Retakes.


def test_retakes_wait_from_the_finish_and_the_refusal_says_when(cast: Cast) -> None:
    with at(MORNING), learning(cast, rules=PassRules(cooldown_hours=(0, 24, 72))) as enrolment:
        submit(start(enrolment, "basics"), {})
        second = start(enrolment, "basics")
    with at(MORNING + timedelta(hours=3)), transaction():
        submit(session().get_one(Attempt, second.id), {})
        with pytest.raises(TooEarly, match="from 3 March 2026, 12:00 UTC"):
            start(again(enrolment), "basics")
    with at(MORNING + timedelta(hours=27)), transaction():
        third = start(again(enrolment), "basics")
        submit(third, answers_to(third, right=3))
        with pytest.raises(AlreadyPassed):
            start(again(enrolment), "basics")


def test_attempts_run_out(cast: Cast) -> None:
    with learning(cast, rules=PassRules(attempts=2, cooldown_hours=())) as enrolment:
        for left in (1, 0):
            submit(start(enrolment, "basics"), {})
            assert standing(enrolment, "basics").attempts_left == left
        with pytest.raises(NoAttemptsLeft):
            start(enrolment, "basics")


def test_retake_asks_what_was_not_seen_before(cast: Cast) -> None:
    with learning(cast, rules=PassRules(cooldown_hours=())) as enrolment:
        asked = []
        for _ in range(2):
            attempt = start(enrolment, "basics")
            asked += [each.question.id for each in questions_of(attempt)]
            submit(attempt, {})
        assert len(set(asked)) == 6


# 6. Marks are exact; 7. an edited question changes nothing in an attempt.


def test_almost_is_not_passed(cast: Cast) -> None:
    with transaction():
        rules = PassRules(percent=Decimal("66.67"))
        make_release(cast, make_curriculum(make_module(1, "basics", bank(3)), rules=rules))
        enrolment = make_enrolment(make_advocate(cast.programme))
        attempt = start(enrolment, "basics")
        submit(attempt, answers_to(attempt, right=2))
        assert attempt.score == "66.666667"
        assert attempt.passed is False


def test_new_release_in_mid_attempt_changes_nothing_in_it(cast: Cast) -> None:
    with learning(cast) as enrolment:
        attempt = start(enrolment, "basics")
        wrong_now = tuple(make_question(each, right="no") for each in range(1, 7))
        harder = make_curriculum(make_module(1, "basics", wrong_now), rules=PassRules(percent=Decimal(100)))
        publish(harder, unit_id=cast.hub.id, by=acting(cast.hub_admin), kind="editorial")
        assert again(enrolment).release_id != attempt.release_id
        assert submit(attempt, answers_to(attempt, right=3)).passed


# The end of the way.


def test_last_quiz_certifies_with_the_mean_score(cast: Cast) -> None:
    with learning(cast, rules=PassRules(percent=Decimal(60))) as enrolment:
        pass_quiz(enrolment, "basics")
        assert award_of(enrolment.id) is None
        attempt = start(enrolment, "honesty")
        submit(attempt, answers_to(attempt, right=2))
        made = award_of(enrolment.id)
        assert made is not None
        assert made.score == "83.333333"
        assert again(enrolment).completed_at == made.awarded_at


def test_two_last_quizzes_at_once_certify_once(cast: Cast) -> None:
    with learning(cast) as enrolment:
        attempts = [start(enrolment, slug).id for slug in ("basics", "honesty")]

    def hand_in(attempt_id: str) -> bool | None:
        with transaction():
            attempt = session().get_one(Attempt, attempt_id)
            return submit(attempt, answers_to(attempt, right=3)).passed

    assert at_once(*(lambda each=each: hand_in(each) for each in attempts)) == [True, True]
    with transaction(read_only=True):
        assert len(session().exec(select(Award)).all()) == 1
        assert now() >= session().exec(select(Award)).one().awarded_at
