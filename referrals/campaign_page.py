"""Doors for staff: a campaign, a link for everybody who may earn, seen before it is done."""

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import ngettext
from pydantic import Field

from core.access import authorize
from core.inputs import Input, Line
from hub.programmes import Programme, get_programme, programmes_in
from referrals.links import campaigns, link_dates
from referrals.links.campaigns import Campaign
from referrals.links.links_input import Address, Day
from web.forms import Form, read_form
from web.signing_in import staff

door = Blueprint("referrals_campaign", __name__)

SHOWN = 50
"""names beneath each verdict"""


class NewCampaign(Input):
    """A link for everybody; with `confirm`, the digest of what was shown, it is done."""

    programme_id: Line
    campaign: str = Field(min_length=1, max_length=60, pattern=r"^[\w .-]*$")
    destination: Address
    first_day: Day | None = None
    last_day: Day | None = None
    tier: str = Field(default="", max_length=200)
    """its name; for it and those above it only"""
    confirm: str = Field(default="", max_length=64)


@door.get("/console/links/campaign")
def campaign_form() -> str:
    """Which programme, where to, from when until when."""
    actor = staff("link.manage")
    programmes = programmes_in(actor.units_for("link.manage"))
    return render_template(
        "console/referrals/campaign.html",
        programmes=programmes,
        form=Form(
            {"programme_id": programmes[0].id, "destination": programmes[0].home_url} if programmes else {}
        ),
    )


@door.post("/console/links/campaign")
def campaign() -> ResponseReturnValue:
    """First what it would do; confirmed, it is done."""
    actor, typed = staff("link.manage"), read_form(NewCampaign)
    programme = get_programme(typed.programme_id)
    authorize(actor, "link.manage", programme.unit_id)
    wanted = _campaign(typed, programme)
    if not typed.confirm:
        return render_template(
            "console/referrals/campaign_preview.html",
            programme=programme,
            typed=typed,
            preview=campaigns.preview(programme, wanted),
            shown=SHOWN,
        )
    opened = campaigns.launch(programme, wanted, digest=typed.confirm, by=actor)
    flash(ngettext("One link is open.", "%(num)s links are open.", len(opened)), "good")
    return redirect(f"/console/links?programme={programme.id}", 303)


def _campaign(typed: NewCampaign, programme: Programme) -> Campaign:
    return Campaign(
        typed.campaign,
        typed.destination,
        link_dates.first_moment(typed.first_day, programme.zone),
        link_dates.end_after(typed.last_day, programme.zone),
        typed.tier,
    )
