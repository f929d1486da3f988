"""Doors for staff: when a programme's payouts close, and what another day would change."""

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field

from core.access import Actor, authorize
from core.inputs import Input
from hub.programmes import Programme, Schedule, WrongPayoutDay, get_programme
from rewards.payouts import schedule
from rewards.payouts_page import SEE
from web.forms import Form, read_form, read_query
from web.proving import proves
from web.signing_in import staff

door = Blueprint("rewards_schedule", __name__)


class ScheduleQuery(Input):
    """What to show the effect of; nothing: how it is."""

    payout_schedule: Schedule | None = None
    payout_day: int = Field(default=1, ge=1, le=31)


class NewSchedule(Input):
    """How payouts close from now on."""

    payout_schedule: Schedule
    payout_day: int = Field(ge=1, le=31)
    seen: str = Field(max_length=60)
    """how they closed, and when next, when the effect was shown"""


@door.get("/console/payouts/schedule/<id:programme_id>")
def schedule_page(programme_id: str) -> str:
    """How payouts close, and what would change."""
    actor, programme = _programme(programme_id)
    query = read_query(ScheduleQuery)
    another, refused = None, None
    try:
        another = query.payout_schedule and schedule.wanted(
            programme, query.payout_schedule, query.payout_day
        )
    except WrongPayoutDay as error:  # the form stays, with what is wrong
        refused = error.sentence
    return render_template(
        "console/rewards/schedule.html",
        programme=programme,
        seen=schedule.seen_of(programme),
        another=another if another and schedule.name_of(another) != schedule.name_of(programme) else None,
        refused=refused,
        effect=schedule.effect(programme, another or programme),
        may_change=actor.may(schedule.RIGHT, programme.unit_id),
        form=Form(
            {
                "payout_schedule": query.payout_schedule or programme.payout_schedule,
                "payout_day": query.payout_day if query.payout_schedule else programme.payout_day,
            }
        ),
    )


@door.post("/console/payouts/schedule/<id:programme_id>")
@proves(schedule.RIGHT)
def change_schedule(programme_id: str) -> ResponseReturnValue:
    """Close them like this from the next closing on."""
    actor, programme = _programme(programme_id)
    wanted = read_form(NewSchedule)
    another = schedule.wanted(programme, wanted.payout_schedule, wanted.payout_day)
    schedule.change_schedule(programme, another, seen=wanted.seen, by=actor)
    flash(_("Saved. What is approved waits for the next closing."), "good")
    return redirect(f"/console/payouts/schedule/{programme.id}", 303)


def _programme(programme_id: str) -> tuple[Actor, Programme]:
    actor, programme = staff(SEE), get_programme(programme_id)
    authorize(actor, SEE, programme.unit_id)
    return actor, programme
