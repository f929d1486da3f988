"""Doors for activities: advocates hand them in and see what became of them; staff accept, decline, take back."""

from typing import Literal

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field
from sqlmodel import col, select

from advocates import activities, activity_kinds
from advocates.activities import DECIDE, LONGEST_ADDRESS, Activity, State
from advocates.activity_kinds import ActivityKind, CountsAs
from advocates.membership import Membership
from core.access import authorize
from core.db import session
from core.inputs import Input, Line, Paragraphs
from core.paging import page_of
from core.people import Person
from hub.programmes import get_programme, programmes_in
from web.forms import Form, read_form, read_query
from web.signing_in import advocate, me, staff

door = Blueprint("advocates_activities", __name__)

MANAGE = "programme.manage"


class NewActivity(Input):
    """What was done, and where it can be seen."""

    kind_id: Line
    evidence: str = Field(min_length=1, max_length=LONGEST_ADDRESS)
    words: Paragraphs = ""


class ActivitiesQuery(Input):
    """Which activities to show; without a state those that wait."""

    state: State | Literal["all"] = "open"
    after: str | None = Field(default=None, max_length=1_000)


class Decision(Input):
    """What becomes of an activity, and why."""

    act: Literal["accept", "decline", "take_back"]
    reason: str = Field(default="", max_length=500)


class NewKind(Input):
    """Another kind of thing that advocates may hand in, or the end of one."""

    programme_id: Line
    name: Line
    counts_as: CountsAs = "activity"


class EndOfKind(Input):
    """The kind that ends."""

    programme_id: Line
    kind_id: Line


@door.get("/portal/activities")
def my_activities() -> str:
    """What one did for the programme, what became of it, and a form for more."""
    member = advocate()
    return render_template(
        "portal/advocates/activities.html",
        held=activities.activities_of(member.id),
        kinds=activity_kinds.kinds_of(member.programme_id),
        form=Form(),
    )


@door.post("/portal/activities")
def submit() -> ResponseReturnValue:
    """Hand one in."""
    member, typed = advocate(), read_form(NewActivity)
    activities.submit(member, typed.kind_id, evidence=typed.evidence, words=typed.words, by=me().actor)
    flash(_("Thank you. A person looks at it and answers here within a week."), "good")
    return redirect("/portal/activities", 303)


@door.get("/console/activities")
def list_activities() -> str:
    """What advocates handed in, each with its answer, and the kinds of the programmes that one manages."""
    actor, query = staff(DECIDE), read_query(ActivitiesQuery)
    wanted = select(Activity).where(col(Activity.unit_id).in_(actor.units_for(DECIDE)))
    if query.state != "all":
        wanted = wanted.where(Activity.state == query.state)
    page = page_of(wanted, (col(Activity.id), "id"), after=query.after, limit=25)
    about = (
        select(Activity.id, ActivityKind, Membership, Person)
        .join(ActivityKind, col(ActivityKind.id) == col(Activity.kind_id))
        .join(Membership, col(Membership.id) == col(Activity.membership_id))
        .join(Person, col(Person.id) == col(Membership.person_id))
        .where(col(Activity.id).in_([each.id for each in page.items]))
    )
    found = {key: (kind, member, person) for key, kind, member, person in session().exec(about)}
    managed = programmes_in(actor.units_for(MANAGE))
    return render_template(
        "console/advocates/activities.html",
        query=query,
        page=page,
        found=found,
        managed=[(each, activity_kinds.kinds_of(each.id)) for each in managed],
        own=actor.person_id,
        form=Form({"counts_as": ["activity"]}),
    )


@door.post("/console/activities/<id:activity_id>")
def decide(activity_id: str) -> ResponseReturnValue:
    """Accept, decline or take back."""
    actor, typed = staff(DECIDE), read_form(Decision)
    activity = activities.get_activity(activity_id)
    authorize(actor, DECIDE, activity.unit_id)
    if typed.act == "accept":
        activities.accept(activity, by=actor)
        flash(_("Accepted: it earns what the rules say."), "good")
    elif typed.act == "decline":
        activities.decline(activity, by=actor, reason=typed.reason)
        flash(_("Declined. The advocate reads your reason."), "good")
    else:
        activities.take_back(activity, by=actor, reason=typed.reason)
        flash(_("Taken back, and what it earned with it. The advocate reads your reason."), "good")
    return redirect("/console/activities", 303)


@door.post("/console/activities")
def define_kind() -> ResponseReturnValue:
    """Let advocates hand in another kind of thing."""
    actor, typed = staff(MANAGE), read_form(NewKind)
    programme = get_programme(typed.programme_id)
    authorize(actor, MANAGE, programme.unit_id)
    activity_kinds.define(programme, typed.name, typed.counts_as, by=actor)
    flash(_("Advocates can hand it in from now on."), "good")
    return redirect("/console/activities#kinds", 303)


@door.post("/console/activities/kinds/end")
def end_kind() -> ResponseReturnValue:
    """Take nothing new of a kind."""
    actor, typed = staff(MANAGE), read_form(EndOfKind)
    programme = get_programme(typed.programme_id)
    authorize(actor, MANAGE, programme.unit_id)
    activity_kinds.end(activity_kinds.get_kind(typed.kind_id, programme.id), programme, by=actor)
    flash(_("Nothing new of this kind is taken; what was handed in stays."), "good")
    return redirect("/console/activities#kinds", 303)
