"""Doors for staff: what is taught, how it goes, who was certified, and revoking that."""

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field
from sqlmodel import col, or_, select

from core.access import Actor, authorize
from core.clock import now
from core.db import session
from core.errors import NotFound
from core.inputs import Input, Paragraphs
from core.paging import page_of
from core.people import get_person
from curriculum import console_figures
from curriculum.attempts import has_quiz
from curriculum.certificate_pdf import certificate_file, verify_address
from curriculum.certification import Award, Reason, get_award, revocation_of, revoke, status_of
from curriculum.figures import shown_percent
from curriculum.gift import write_gift
from curriculum.markdown import render_markdown, render_rich
from curriculum.releases import CertificationRecord, content_of, get_certification, newest_of, releases_of
from hub.programmes import programmes_in
from web.forms import read_form, read_query
from web.signing_in import staff

door = Blueprint("curriculum_console", __name__)


def _visible(actor: Actor) -> list[CertificationRecord]:
    """The certifications of the actor's units, and those that the programmes of these units require."""
    units = actor.units_for("curriculum.see")
    required = {each.certification_slug for each in programmes_in(units)}
    mine = or_(col(CertificationRecord.unit_id).in_(units), col(CertificationRecord.slug).in_(required))
    return list(session().exec(select(CertificationRecord).where(mine).order_by(CertificationRecord.title)))


def _seen(actor: Actor, certification_id: str) -> CertificationRecord:
    """A certification that the actor may look at; NotFound for all others."""
    record = get_certification(certification_id)
    if record.id not in {each.id for each in _visible(actor)}:
        raise NotFound
    return record


@door.get("/console/curriculum")
def certifications() -> str:
    """What can be earned, and how many are on the way or there."""
    actor = staff("curriculum.see")
    units = actor.units_for("curriculum.see")
    rows = [
        {
            "record": record,
            "release": newest_of(record.id),
            "enrolled": console_figures.enrolled(record.id, units),
            "certified": console_figures.certified(record.id, units),
        }
        for record in _visible(actor)
    ]
    return render_template("console/curriculum/certifications.html", rows=rows)


@door.get("/console/curriculum/<id:certification_id>")
def certification(certification_id: str) -> str:
    """One certification: rules, modules, releases."""
    actor = staff("curriculum.see")
    record = _seen(actor, certification_id)
    units = actor.units_for("curriculum.see")
    history = releases_of(record.id)
    return render_template(
        "console/curriculum/certification.html",
        record=record,
        content=content_of(history[0]),
        releases=history,
        tried=console_figures.passed_per_module(record.id, units),
        enrolled=console_figures.enrolled(record.id, units),
        certified=console_figures.certified(record.id, units),
        has_quiz=has_quiz,
    )


@door.get("/console/curriculum/<id:certification_id>/modules/<module_slug>")
def module(certification_id: str, module_slug: str) -> str:
    """A module as it is taught: lessons and questions with their keys, for staff only."""
    record = _seen(staff("curriculum.see"), certification_id)
    release = newest_of(record.id)
    modules = content_of(release).modules if release else ()
    held = next((each for each in modules if each.slug == module_slug), None)
    if held is None or release is None:
        raise NotFound
    return render_template(
        "console/curriculum/module.html",
        record=record,
        release=release,
        module=held,
        lessons=[(each, render_markdown(each.text)) for each in held.lessons],
        questions=[(each, render_rich(each.text), write_gift([each])) for each in held.quiz],
        figures=console_figures.item_figures(record.id, held.slug, held.quiz),
        fewest=console_figures.MIN_RESPONSES,
    )


class AwardsQuery(Input):
    """Which awards to show."""

    q: str = Field(default="", max_length=200)
    after: str | None = Field(default=None, max_length=1_000)


@door.get("/console/curriculum/<id:certification_id>/awards")
def awards(certification_id: str) -> str:
    """Who was certified in the actor's units, the newest first."""
    actor = staff("curriculum.see")
    record, query = _seen(actor, certification_id), read_query(AwardsQuery)
    held = select(Award).where(
        Award.certification_id == record.id, col(Award.unit_id).in_(actor.units_for("curriculum.see"))
    )
    if query.q:
        held = held.where(col(Award.name_as_printed).icontains(query.q, autoescape=True))
    order = ((col(Award.awarded_at), "awarded_at"), (col(Award.id), "id"))
    page = page_of(held, *order, after=query.after)
    return render_template(
        "console/curriculum/awards.html",
        record=record,
        page=page,
        query=query,
        rows=[(each, status_of(each, now()), shown_percent(each.score)) for each in page.items],
    )


class Revoking(Input):
    """Why an award is revoked."""

    reason: Reason
    note: Paragraphs = ""


@door.get("/console/curriculum/awards/<id:award_id>")
def award(award_id: str) -> str:
    """One award with everything on record, and the form that revokes it."""
    actor = staff("curriculum.see")
    held = get_award(award_id)
    authorize(actor, "curriculum.see", held.unit_id)
    revocation = revocation_of(held.id)
    return render_template(
        "console/curriculum/award.html",
        award=held,
        person=get_person(held.person_id),
        status=status_of(held, now()),
        score=shown_percent(held.score),
        address=verify_address(held),
        rendered=certificate_file(held.id) is not None,
        revocation=revocation,
        manage=actor.may("curriculum.manage", held.unit_id) and revocation is None,
    )


@door.post("/console/curriculum/awards/<id:award_id>")
def revoke_award(award_id: str) -> ResponseReturnValue:
    """Revoke an award, with a public reason."""
    actor = staff("curriculum.manage")
    held = get_award(award_id)
    authorize(actor, "curriculum.manage", held.unit_id)
    why = read_form(Revoking)
    revoke(held, why.reason, by=actor, note=why.note)
    flash(_("The award is revoked."), "good")
    return redirect(f"/console/curriculum/awards/{award_id}", 303)
