"""The advocate's pages: from the first lesson over the quizzes to the certificate."""

import re
from collections.abc import Callable
from datetime import timedelta

from flask.testing import FlaskClient

from core.clock import at, now
from core.db import session, transaction
from core.people import Person
from curriculum.attempts import Attempt, autosave, questions_of, start
from curriculum.certificate_pdf import render_certificates
from curriculum.certification import award_of
from curriculum.contents import QuizRules
from curriculum.enrolment import Enrolment
from curriculum.handing_in import submit
from tests.curriculum.stories import (
    answers_to,
    make_curriculum,
    make_enrolment,
    make_module,
    make_question,
    make_release,
    pass_quiz,
)
from tests.factories import Cast, make_advocate

BrowserOf = Callable[[Person], FlaskClient]


def begin(ana: FlaskClient, learner: Enrolment, module: str = "basics") -> Attempt:
    """Ana starts a quiz in her browser."""
    answer = ana.post(f"/portal/learn/{module}/quiz")
    assert answer.status_code == 303
    with transaction(read_only=True):
        return session().get_one(Attempt, answer.location.rsplit("/", 1)[1])


def fields(attempt: Attempt, right: int, **more: str) -> dict[str, str]:
    return {token: str(answer) for token, answer in answers_to(attempt, right=right).items()} | more


def test_way_from_the_first_lesson_to_the_certificate(ana: FlaskClient, learner: Enrolment) -> None:
    assert "Lesson 1 of basics" in ana.get("/portal/learn").text
    here = "/portal/learn/basics/lesson-1"
    assert "<h2>Read</h2>" in ana.get(here).text
    for there in ("/portal/learn/basics/lesson-2", "/portal/learn/basics/quiz"):
        answer = ana.post(here)
        assert (answer.status_code, answer.location) == (303, there)
        here = there
    assert "There is no time limit" in ana.get(here).text
    for module in ("basics", "honesty"):
        attempt = begin(ana, learner, module)
        answer = ana.post(f"/portal/attempts/{attempt.id}", data=fields(attempt, 3, seq="0"))
        assert answer.location == f"/portal/attempts/{attempt.id}"
        page = ana.get(answer.location).text
        assert "100 %" in page
        assert "Because of" in page  # feedback after passing
    assert "/portal/certificate" in page
    page = ana.get("/portal/certificate").text
    assert "being made" in page
    assert "https://www.linkedin.com/profile/add?startTask=CERTIFICATION_NAME" in page
    assert "/portal/links" in page
    assert render_certificates() == 1
    assert "certificate.pdf" in ana.get("/portal/certificate").text


def test_first_visit_without_enrolment_begins_by_itself(cast: Cast, browser_of: BrowserOf) -> None:
    with transaction():
        member = make_advocate(cast.programme)
        person = session().get_one(Person, member.person_id)
    browser = browser_of(person)
    assert "Nothing to learn yet" in browser.get("/portal/learn").text
    assert browser.post("/portal/learn").status_code == 404
    assert browser.get("/portal/learn/basics/lesson-1").status_code == 404
    with transaction():
        make_release(cast)
    assert "Ready when you are" in browser.get("/portal/learn").text
    assert browser.post("/portal/learn").location == "/portal/learn/basics/lesson-1"


def test_quiz_page_does_not_change_when_only_the_key_changes(cast: Cast, browser_of: BrowserOf) -> None:
    """Everything that depends on the key is taken out of a frozen attempt and another key put in: the same bytes."""
    with transaction():
        make_release(cast)
        enrolment = make_enrolment(make_advocate(cast.programme))
        attempt = start(enrolment, "basics")
        person = session().get_one(Person, enrolment.person_id)
    browser = browser_of(person)
    page = browser.get(f"/portal/attempts/{attempt.id}")
    with transaction():
        changed = session().get_one(Attempt, attempt.id)
        changed.questions = [
            each.model_copy(
                update={
                    "question": make_question(_number(each.question.text.text), right="perhaps", prefix="x")
                }
            ).to_json()
            for each in questions_of(changed)
        ]
        session().add(changed)
    again = browser.get(f"/portal/attempts/{attempt.id}")
    mask = re.compile(r'name="csrf_token" value="[^"]*"')
    assert mask.sub("", again.text) == mask.sub("", page.text)
    assert "no-store" in page.headers["Cache-Control"]
    for secret in ("Remark", "Because", "q-1", "x-1", "weight"):
        assert secret not in page.text.replace('id="q-1"', "")


def _number(text: str) -> int:
    return int(re.sub(r"\D", "", text))


def test_open_questions_are_saved_and_asked_about_before_handing_in(
    ana: FlaskClient, learner: Enrolment
) -> None:
    attempt = begin(ana, learner)
    path = f"/portal/attempts/{attempt.id}"
    sent = fields(attempt, 3, seq="0")
    second = questions_of(attempt)[1].token
    answer = ana.post(path, data={name: value for name, value in sent.items() if name != second})
    assert answer.location == f"{path}?check=1#open"
    page = ana.get(answer.location).text
    assert 'href="#q-2"' in page
    assert page.count(" checked") == 2
    seq = re.search(r'name="seq" value="(\d+)"', page)
    assert seq is not None
    less = {name: value for name, value in sent.items() if name != second}
    ana.post(path, data=less | {"seq": seq.group(1), "anyway": "yes"})
    assert "66.6 %" in ana.get(path).text


def test_autosave_answers_the_number_and_a_stale_window_gets_409_with_what_is_saved(
    ana: FlaskClient, learner: Enrolment
) -> None:
    attempt = begin(ana, learner)
    path = f"/portal/attempts/{attempt.id}"
    assert ana.post(f"{path}/autosave", data=fields(attempt, 2, seq="1")).json == {"seq": 1}
    stale = ana.post(f"{path}/autosave", data=fields(attempt, 0, seq="1"))
    assert stale.status_code == 409
    assert stale.json is not None
    assert stale.json["answers"] == answers_to(attempt, right=2)
    refused = ana.post(path, data=fields(attempt, 0, seq="0"))
    assert refused.status_code == 409
    assert "changed in another window" in refused.text
    kept = str(answers_to(attempt, right=2)[questions_of(attempt)[0].token])
    assert re.search(rf'value="{kept}" checked', refused.text)
    ana.post(path, data=fields(attempt, 2, seq="1"))
    late = ana.post(f"{path}/autosave", data=fields(attempt, 3, seq="9"))
    assert late.status_code == 409
    assert ana.post(path, data=fields(attempt, 3, seq="9")).status_code == 303
    assert "66.6 %" in ana.get(path).text


def test_strange_answers_are_refused(ana: FlaskClient, learner: Enrolment) -> None:
    attempt = begin(ana, learner)
    token = questions_of(attempt)[0].token
    for strange in ("0", "x" * 1_000):
        assert ana.post(f"/portal/attempts/{attempt.id}", data={token: strange}).status_code == 422
    assert ana.post(f"/portal/attempts/{attempt.id}", data={"seq": "-1"}).status_code == 422


def test_failed_quiz_shows_the_score_no_answers_and_when_to_try_again(
    ana: FlaskClient, learner: Enrolment
) -> None:
    for _ in range(2):
        attempt = begin(ana, learner)
        ana.post(f"/portal/attempts/{attempt.id}", data=fields(attempt, 0, seq="0"))
    page = ana.get(f"/portal/attempts/{attempt.id}").text
    assert "Not yet" in page
    assert "0 %" in page
    assert "Because of" not in page
    assert "The next attempt is possible from" in page
    refused = ana.post("/portal/learn/basics/quiz")
    assert refused.status_code == 409
    assert "The next attempt is possible from" in refused.text


def test_attempt_of_another_advocate_is_not_there(
    cast: Cast, learner: Enrolment, browser_of: BrowserOf
) -> None:
    with transaction():
        attempt = start(session().get_one(Enrolment, learner.id), "basics")
        other = make_advocate(cast.programme, "Otto Other")
        person = session().get_one(Person, other.person_id)
    browser = browser_of(person)
    assert browser.get(f"/portal/attempts/{attempt.id}").status_code == 404
    for path in ("", "/autosave"):
        answer = browser.post(f"/portal/attempts/{attempt.id}{path}", data=fields(attempt, 3, seq="1"))
        assert answer.status_code == 404
    with transaction(read_only=True):
        assert session().get_one(Attempt, attempt.id).answers == {}


def test_stranger_is_kept_out_and_visitors_are_asked_to_sign_in(
    cast: Cast, learner: Enrolment, browser_of: BrowserOf, client: FlaskClient
) -> None:
    stranger = browser_of(cast.stranger)
    pages = (
        "/portal/learn",
        "/portal/learn/basics/lesson-1",
        "/portal/learn/basics/quiz",
        "/portal/certificate",
    )
    for page in pages:
        assert stranger.get(page).status_code == 403
        assert client.get(page).status_code == 302


def test_time_limit_is_said_before_the_start_and_the_end_is_judged_here(
    cast: Cast, browser_of: BrowserOf
) -> None:
    with transaction():
        make_release(cast, make_curriculum(quiz=QuizRules(draw=3, time_limit_minutes=10)))
        enrolment = make_enrolment(make_advocate(cast.programme))
        person = session().get_one(Person, enrolment.person_id)
    browser = browser_of(person)
    assert "There is a time limit" in browser.get("/portal/learn/basics/quiz").text
    attempt = begin(browser, enrolment)
    path = f"/portal/attempts/{attempt.id}"
    assert "data-seconds=" in browser.get(path).text
    with transaction():
        autosave(session().get_one(Attempt, attempt.id), answers_to(attempt, right=3), 1)
    with at(now() + timedelta(minutes=11)):
        assert "The time is over" in browser.get(path).text
        assert browser.post(path).status_code == 303
        assert "100 %" in browser.get(path).text


def test_renewal_is_offered_near_the_end(ana: FlaskClient, learner: Enrolment, browser_of: BrowserOf) -> None:
    with transaction():
        enrolment = session().get_one(Enrolment, learner.id)
        pass_quiz(enrolment, "basics")
        pass_quiz(enrolment, "honesty")
        award, person = award_of(learner.id), session().get_one(Person, learner.person_id)
    assert award is not None
    assert "Time to renew" not in ana.get("/portal/learn").text
    assert ana.post("/portal/learn").status_code == 409
    with at(award.valid_until - timedelta(days=20)):
        later = browser_of(person)
        assert "Time to renew" in later.get("/portal/learn").text
        assert later.post("/portal/learn").location == "/portal/learn/basics/lesson-1"
        assert later.get("/portal/certificate").status_code == 200


def test_all_kinds_of_questions_are_shown_and_read(cast: Cast, browser_of: BrowserOf) -> None:
    from curriculum.folder import BUILT_IN, read_curriculum

    content, _problems = read_curriculum(BUILT_IN)
    assert content is not None
    every = {each.kind: each for module in content.modules for each in module.quiz if each.is_graded}
    with transaction():
        questions = tuple(every.values())
        whole = make_curriculum(make_module(1, "basics", questions, draw=len(questions)))
        make_release(cast, whole)
        enrolment = make_enrolment(make_advocate(cast.programme))
        attempt = start(enrolment, "basics")
        person = session().get_one(Person, enrolment.person_id)
    page = browser_of(person).get(f"/portal/attempts/{attempt.id}").text
    assert {"single", "multiple", "truefalse", "short", "numerical", "matching"} <= set(every)
    assert page.count("<fieldset") == len(questions)
    assert 'inputmode="decimal"' in page
    with transaction():
        assert submit(session().get_one(Attempt, attempt.id), {}).score == "0.000000"
