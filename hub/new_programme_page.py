"""Doors for staff: found a programme, the first thing that an empty hub needs."""

from decimal import Decimal
from typing import Any

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field

from core.access import Actor, authorize
from core.errors import Forbidden
from core.inputs import Currency, Email, Input, InvalidInput, Line, Paragraphs, Slug, Sum
from core.money import Money, to_minor
from core.people import Person, find_person
from hub import units
from hub.programmes import AttributionRule, Compensation, Programme, Schedule, create_programme
from hub.roles import staff_actor
from web.forms import Form, read_form
from web.signing_in import staff

door = Blueprint("hub_new_programme", __name__)

MANAGE, FOUR_EYES = "programme.manage", "programme.four_eyes"
USUAL_FOUR_EYES = Decimal(1_000)
"""what a programme begins with when who founds it may not choose, in its currency's main unit"""
USUAL = {
    "time_zone": "Europe/Berlin",
    "currency": "EUR",
    "compensation": ["recognition"],
    "minimum_age": 18,
    "attribution_rule": "last_touch",
    "attribution_days": 30,
    "hold_days": 30,
    "payout_schedule": "monthly",
    "payout_day": 1,
    "payout_minimum": "25.00",
    "four_eyes_above": Money(to_minor(USUAL_FOUR_EYES, "EUR"), "EUR").major,
}


class NewProgramme(Input):
    """A programme to found."""

    unit_id: Line
    name: Line
    slug: Slug
    time_zone: Line
    currency: Currency
    compensation: Compensation
    minimum_age: int = Field(ge=13, le=99)
    attribution_rule: AttributionRule
    attribution_days: int = Field(ge=1, le=365)
    hold_days: int = Field(ge=0, le=365)
    payout_schedule: Schedule
    payout_day: int = Field(ge=1, le=31)
    payout_minimum: Sum
    four_eyes_above: Sum | None = None
    """left out by those who may not choose it"""
    home_url: Line
    allowed_hosts: Paragraphs = Field(min_length=1)
    second_owner: Email


@door.get("/console/settings/programmes/new")
def new_programme_page() -> str:
    """The form."""
    actor = staff(MANAGE)
    return render_template(
        "console/hub/new_programme.html",
        units=[unit for unit in units.all_units() if unit.id in actor.units_for(MANAGE)],
        four_eyes=actor.may(FOUR_EYES),
        form=Form(USUAL),
    )


@door.post("/console/settings/programmes/new")
def found_programme() -> ResponseReturnValue:
    """Found it: the signed-in person and the second owner own it."""
    actor = staff(MANAGE)
    wanted = read_form(NewProgramme)
    authorize(actor, MANAGE, wanted.unit_id)
    owners = [actor.id, _colleague(wanted.second_owner, wanted.unit_id).id]
    made = create_programme(Programme(**_columns(wanted, actor), owner_ids=owners), by=actor)
    said = _(
        "%(name)s is founded. Write its policies and its reward rules, then open it for applications.",
        name=made.name,
    )
    flash(said, "good")
    return redirect(f"/console/settings/programmes/{made.id}", 303)


def _columns(wanted: NewProgramme, actor: Actor) -> dict[str, Any]:
    sums = {"payout_minimum", "four_eyes_above"}
    return wanted.model_dump(exclude=sums | {"second_owner"}) | {
        "allowed_hosts": wanted.allowed_hosts.split(),
        "payout_minimum_minor": to_minor(wanted.payout_minimum, wanted.currency),
        "four_eyes_above_minor": _four_eyes(wanted, actor),
        "open_to_applications": False,  # nobody applies before its policies and rules are written
    }


def _four_eyes(wanted: NewProgramme, actor: Actor) -> int:
    """Who approves rewards does not choose the sum above which a second person is asked."""
    usual = to_minor(USUAL_FOUR_EYES, wanted.currency)
    if wanted.four_eyes_above is None:
        return usual
    minor = to_minor(wanted.four_eyes_above, wanted.currency)
    if minor != usual and not actor.may(FOUR_EYES, wanted.unit_id):
        raise Forbidden(
            "Only finance or a hub admin changes the sum above which a second person approves a reward."
        )
    return minor


def _colleague(email: str, unit_id: str) -> Person:
    """Somebody with a role that reaches the unit; of anybody else it is not even told that they have an account."""
    found = find_person(email)
    if found is None or found.disabled_at is not None or not staff_actor(found).may("programme.see", unit_id):
        raise InvalidInput(
            {"second_owner": "No colleague in this unit has this address. Give them a role here first."}
        )
    return found
