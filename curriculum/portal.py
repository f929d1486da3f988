"""Doors for advocates: lessons to read, quizzes to pass, the certificate at the end."""

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from advocates.membership import Membership
from core.clock import now
from core.errors import SpokesError
from curriculum import attempts, handing_in
from curriculum.attempts import Attempt, read_answers, unanswered
from curriculum.certificate_pdf import certificate_file, verify_address
from curriculum.certification import award_of, current_award, latest_award, status_of
from curriculum.completion import complete_if_done, finish_lesson
from curriculum.enrolment import (
    RENEWAL_DAYS,
    Enrolment,
    NotEnrolled,
    content_for,
    enrol,
    find_enrolment,
    get_lesson,
    get_module,
    lock,
    renew,
)
from curriculum.figures import shown_percent, spell
from curriculum.linkedin import add_to_profile
from curriculum.markdown import render_markdown
from curriculum.progress import progress_of, steps_of
from curriculum.releases import content_of, get_release, newest_release
from curriculum.results import may_see_feedback, reviewed
from curriculum.saving import WindowForm
from curriculum.showing import shown
from hub import policies
from hub.programmes import Programme, get_programme
from web.signing_in import advocate

door = Blueprint("curriculum_portal", __name__)


def _where() -> tuple[Membership, Programme, Enrolment | None]:
    member = advocate()
    programme = get_programme(member.programme_id)
    return member, programme, find_enrolment(member.id, programme.certification_slug)


def _enrolled() -> tuple[Membership, Programme, Enrolment]:
    member, programme, enrolment = _where()
    if enrolment is None:
        raise NotEnrolled
    return member, programme, enrolment


@door.get("/portal/learn")
def learn() -> str:
    """The modules, how far they are done, and where to go on."""
    member, programme, enrolment = _where()
    award = current_award(member.person_id, programme.certification_slug, now())
    return render_template(
        "portal/curriculum/learn.html",
        programme_name=programme.name,
        enrolment=enrolment,
        progress=progress_of(enrolment) if enrolment else None,
        published=newest_release(programme.certification_slug) is not None,
        award=award,
        renewable=award is None or (award.valid_until - now()).days < RENEWAL_DAYS,
    )


@door.post("/portal/learn")
def begin() -> ResponseReturnValue:
    """Enrol, enrol again for a renewal, or finish what is all done."""
    member, programme, enrolment = _where()
    slug = programme.certification_slug
    if enrolment is None:
        enrolment = enrol(member.id, member.person_id, slug)
    elif enrolment.completed_at is None:
        lock(enrolment)
        complete_if_done(enrolment)
    else:
        award = current_award(member.person_id, slug, now())
        enrolment = renew(enrolment, award.valid_until if award else None)
    return redirect(progress_of(enrolment).next_url or "/portal/certificate", 303)


@door.get("/portal/learn/<module_slug>/<lesson_slug>")
def lesson(module_slug: str, lesson_slug: str) -> str:
    """A lesson to read, with the outline of everything beside it."""
    _member, programme, enrolment = _enrolled()
    module, held = get_lesson(enrolment, module_slug, lesson_slug)
    progress = progress_of(enrolment)
    return render_template(
        "portal/curriculum/lesson.html",
        programme_name=programme.name,
        progress=progress,
        module=module,
        lesson=held,
        html=render_markdown(held.text),
        steps=steps_of(progress, content_for(enrolment)),
    )


@door.post("/portal/learn/<module_slug>/<lesson_slug>")
def finish(module_slug: str, lesson_slug: str) -> ResponseReturnValue:
    """Done with the lesson: on to what comes after it."""
    _member, _programme, enrolment = _enrolled()
    finish_lesson(enrolment, module_slug, lesson_slug)
    if award_of(enrolment.id) is not None:
        return redirect("/portal/certificate", 303)
    steps = steps_of(progress_of(enrolment), content_for(enrolment))
    here = f"/portal/learn/{module_slug}/{lesson_slug}"
    place = next(place for place, each in enumerate(steps) if each.url == here)
    after = [*steps[place + 1 :], *steps[:place]]
    return redirect(next((each.url for each in after if not each.done), "/portal/learn"), 303)


@door.get("/portal/learn/<module_slug>/quiz")
def quiz(module_slug: str) -> str:
    """The rules of a module's quiz, before it starts."""
    _member, programme, enrolment = _enrolled()
    module = get_module(enrolment, module_slug)
    if not attempts.has_quiz(module):
        raise attempts.NoQuiz
    content = content_for(enrolment)
    running = attempts.in_progress(enrolment.id, module_slug)
    return render_template(
        "portal/curriculum/quiz.html",
        programme_name=programme.name,
        module=module,
        rules=content.certification.pass_rules,
        quiz=content.certification.quiz_rules,
        pass_mark=spell(content.certification.pass_rules.percent),
        asked=min(content.draw_size(module), sum(each.is_graded for each in module.quiz)),
        running=running,
        deadline=running.deadline_at if running else attempts.deadline(content, enrolment, now()),
        standing=attempts.standing(enrolment, module_slug),
        before=[_with_score(each) for each in attempts.attempts_at(enrolment.id, module_slug) if each.score],
        now=now(),
    )


def _with_score(attempt: Attempt) -> tuple[Attempt, str]:
    return attempt, shown_percent(attempt.score or "0")


@door.post("/portal/learn/<module_slug>/quiz")
def start(module_slug: str) -> ResponseReturnValue:
    """Start an attempt, or go on with the one in progress."""
    _member, _programme, enrolment = _enrolled()
    return redirect(f"/portal/attempts/{attempts.start(enrolment, module_slug).id}", 303)


@door.get("/portal/attempts/<id:attempt_id>")
def attempt(attempt_id: str) -> str:
    """All questions on one page; or the result, once it is handed in."""
    member = advocate()
    held, enrolment = attempts.get_attempt(attempt_id, member.id)
    name = get_programme(member.programme_id).name
    return _result(held, enrolment, name) if attempts.is_over(held, now()) else _questions(held, name)


def _questions(held: Attempt, programme_name: str) -> str:
    content = content_of(get_release(held.release_id))
    left = held.deadline_at - now() if held.deadline_at else None
    return render_template(
        "portal/curriculum/attempt.html",
        programme_name=programme_name,
        attempt=held,
        module_title=next(each.title for each in content.modules if each.slug == held.module_slug),
        questions=[shown(each) for each in attempts.questions_of(held)],
        missing=unanswered(held, held.answers) if request.args.get("check") else [],
        seconds_left=max(int(left.total_seconds()), 0) if left else None,
    )


def _result(held: Attempt, enrolment: Enrolment, programme_name: str) -> str:
    content = content_of(get_release(held.release_id))
    standing = attempts.standing(enrolment, held.module_slug)
    policy = content.certification.quiz_rules.feedback
    return render_template(
        "portal/curriculum/result.html",
        programme_name=programme_name,
        attempt=held,
        module=next(each for each in content.modules if each.slug == held.module_slug),
        score=shown_percent(held.score) if held.score else None,
        pass_mark=spell(content.certification.pass_rules.percent),
        policy=policy,
        review=reviewed(held) if may_see_feedback(policy, held, standing) else None,
        standing=standing,
        now=now(),
        progress=progress_of(enrolment),
        award=award_of(enrolment.id),
    )


@door.post("/portal/attempts/<id:attempt_id>")
def hand_in(attempt_id: str) -> ResponseReturnValue:
    """Hand in; with questions left open only when that is meant."""
    held, _enrolment = attempts.get_attempt(attempt_id, advocate().id)
    window = WindowForm.of(request.form)
    answers = {} if attempts.is_over(held, now()) else read_answers(held, request.form.to_dict(flat=False))
    if not window.anyway and not attempts.is_over(held, now()) and unanswered(held, answers):
        attempts.autosave(held, answers, window.seq + 1)
        return redirect(f"/portal/attempts/{attempt_id}?check=1#open", 303)
    handing_in.submit(held, answers, seq=window.seq)
    return redirect(f"/portal/attempts/{attempt_id}", 303)


@door.post("/portal/attempts/<id:attempt_id>/autosave")
def autosave(attempt_id: str) -> ResponseReturnValue:
    """Keep the answers so far; 409 with the saved ones where another window was later."""
    held, _enrolment = attempts.get_attempt(attempt_id, advocate().id)
    window = WindowForm.of(request.form)
    try:
        answers = read_answers(held, request.form.to_dict(flat=False))
        return {"seq": attempts.autosave(held, answers, window.seq)}
    except SpokesError as refused:  # nothing was written; the script wants the facts and not a page
        return {"message": _(refused.sentence), **refused.details}, refused.status


@door.get("/portal/certificate")
def certificate() -> ResponseReturnValue:
    """The certificate: download, share, and what comes next."""
    member, programme, _enrolment = _where()
    award = latest_award(member.id, programme.certification_slug)
    if award is None:
        return redirect("/portal/learn")
    waiting = policies.unacknowledged(member.person_id, member.programme_id, now())
    return render_template(
        "portal/curriculum/certificate.html",
        programme_name=programme.name,
        award=award,
        status=status_of(award, now()),
        score=shown_percent(award.score),
        address=verify_address(award),
        rendered=certificate_file(award.id) is not None,
        linkedin=add_to_profile(award, verify_address(award)),
        policy=waiting[0] if waiting else None,
    )
