"""Doors for staff: applications, advocates, the leaderboard."""

from typing import Literal

from flask import Blueprint, Response, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field

from advocates import applications, membership
from advocates.application_states import NEXT, OPEN, STATES, Application, get_application, history
from advocates.applications_page import ApplicationsQuery, applications_of
from advocates.leaderboard import RULE, Standings, standings
from advocates.leaderboard_files import MEDIA_TYPES, Format, file_name, file_of
from advocates.leaderboard_page import chart_of, choices
from advocates.leaderboard_query import LeaderboardQuery, wanted_by
from advocates.membership import Membership, get_membership
from advocates.roster_page import RosterQuery, roster
from advocates.timeline_page import time_line
from core import audit
from core.access import Actor, authorize
from core.clock import now
from core.db import transaction
from core.inputs import Input, InvalidInput
from core.people import get_person
from hub.programmes import get_programme, programmes_in
from hub.units import get_unit
from web.forms import read_form, read_query
from web.requests import transacts_itself
from web.signing_in import staff

door = Blueprint("advocates_console", __name__)


class Decision(Input):
    """What a reviewer decides: `reason` is for the applicant, `note` for colleagues."""

    decision: Literal["take_up", "ask", "accept", "waitlist", "decline"]
    reason: str = Field(default="", max_length=4_000)
    note: str = Field(default="", max_length=4_000)


class StandingChange(Input):
    """A new standing of an advocate, and why."""

    state: membership.State
    reason: str = Field(min_length=1, max_length=1_000)


@door.get("/console/applications")
def applications_list() -> str:
    """The applications that this person sees."""
    actor, query = staff("application.see"), read_query(ApplicationsQuery)
    programmes = programmes_in(actor.units_for("application.see"))
    return render_template(
        "console/advocates/applications.html",
        page=applications_of(actor, query),
        programmes={each.id: each for each in programmes},
        states=STATES,
        open_states=OPEN,
        now=now(),
    )


@door.get("/console/applications/<id:application_id>")
def application_page(application_id: str) -> str:
    """One application: what was sent, what happened, what can be decided."""
    actor = staff("application.see")
    application = _application(application_id, actor, "application.see")
    programme = get_programme(application.programme_id)
    return render_template(
        "console/advocates/application.html",
        application=application,
        programme=programme,
        unit_name=get_unit(application.unit_id).name,
        changes=history(application.id),
        possible=NEXT[application.state] if actor.may("application.review", application.unit_id) else (),
        decide_by=application.decide_by.astimezone(programme.zone).date(),
    )


def _application(application_id: str, actor: Actor, action: str) -> Application:
    application = get_application(application_id)
    authorize(actor, action, application.unit_id)
    return application


@door.post("/console/applications/<id:application_id>")
def decide(application_id: str) -> ResponseReturnValue:
    """Take up, ask, accept, put on the waiting list, decline."""
    actor = staff("application.see")
    application = _application(application_id, actor, "application.review")
    _carry_out(application, read_form(Decision), actor)
    flash(_("Done. The applicant is told by mail where there is something to tell."), "good")
    return redirect(f"/console/applications/{application.id}", 303)


def _carry_out(application: Application, typed: Decision, actor: Actor) -> None:
    if typed.decision == "take_up":
        applications.take_up(application, by=actor)
        return
    if typed.decision == "accept":
        applications.accept(application, by=actor, reason=typed.reason, note=typed.note)
        return
    if not typed.reason:
        raise InvalidInput({"reason": _("The applicant reads this: please write what they should know.")})
    verbs = {"ask": applications.ask_info, "waitlist": applications.waitlist, "decline": applications.decline}
    verbs[typed.decision](application, by=actor, reason=typed.reason, note=typed.note)


@door.get("/console/advocates")
def advocates_list() -> str:
    """The advocates that this person sees."""
    actor, query = staff("advocate.see"), read_query(RosterQuery)
    page, rows = roster(actor, query)
    return render_template(
        "console/advocates/advocates.html",
        page=page,
        rows=rows,
        programmes=programmes_in(actor.units_for("advocate.see")),
        states=membership.STATES,
    )


@door.get("/console/advocates/<id:membership_id>")
def advocate_page(membership_id: str) -> str:
    """One advocate: the time line of everything, and what can be done."""
    actor = staff("advocate.see")
    member = _member(membership_id, actor, "advocate.see")
    return render_template(
        "console/advocates/advocate.html",
        member=member,
        person=get_person(member.person_id),
        programme=get_programme(member.programme_id),
        unit_name=get_unit(member.unit_id).name,
        standing=membership.current_standing(member.id),
        term=membership.current_term(member.id),
        states=membership.STATES,
        entries=time_line(member, actor),
        manage=actor.may("advocate.manage", member.unit_id),
    )


def _member(membership_id: str, actor: Actor, action: str) -> Membership:
    member = get_membership(membership_id)
    authorize(actor, action, member.unit_id)
    return member


@door.post("/console/advocates/<id:membership_id>")
def change_standing(membership_id: str) -> ResponseReturnValue:
    """Change an advocate's standing, with a reason."""
    actor = staff("advocate.see")
    member = _member(membership_id, actor, "advocate.manage")
    typed = read_form(StandingChange)
    membership.change_standing(member, typed.state, by=actor, reason=typed.reason)
    flash(_("Changed."), "good")
    return redirect(f"/console/advocates/{member.id}", 303)


@door.get("/console/leaderboard")
def leaderboard_page() -> str:
    """The leaderboard: podium, chart, table, files."""
    actor, query = staff("leaderboard.see"), read_query(LeaderboardQuery)
    found = standings(wanted_by(actor, query, "leaderboard.see"))
    return render_template(
        "console/advocates/leaderboard.html",
        found=found,
        query=query,
        chart=chart_of(found),
        rule=RULE,
        may_export=found.wanted.unit_ids <= actor.units_for("leaderboard.export"),
        may_emails=found.wanted.unit_ids <= actor.units_for("leaderboard.emails"),
        **choices(actor),
    )


@door.get("/console/leaderboard.<any(csv, xlsx, json, pdf):fmt>")
@transacts_itself
def leaderboard_file(fmt: Format) -> Response:
    """The same as a file; the log has the export before the file is made, and no lock is held while it is."""
    actor, query = staff("leaderboard.export"), read_query(LeaderboardQuery)
    with transaction():
        found = standings(wanted_by(actor, query, "leaderboard.export"))
        _note_export(actor, found, fmt)
    name = file_name(found.wanted, fmt)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(file_of(found, fmt), content_type=MEDIA_TYPES[fmt], headers=headers)


def _note_export(actor: Actor, found: Standings, fmt: str) -> None:
    wanted = found.wanted
    facts = {
        "format": fmt,
        "currency": wanted.currency,
        "from": wanted.first.isoformat(),
        "to": wanted.last.isoformat(),
        "units": found.where,
        "places": len(found.places),
        "emails": wanted.emails,
    }
    audit.record(actor, "leaderboard.exported", "leaderboard", wanted.metric, details=facts)
