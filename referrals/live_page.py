"""The part of an advocate's page that keeps itself up to date: their conversions, asked for again while it is open."""

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue
from pydantic import Field

from core.inputs import Input
from referrals.conversions import yours
from web.forms import read_query
from web.signing_in import advocate

door = Blueprint("referrals_live", __name__)


class SeenQuery(Input):
    """What the page shows now."""

    seen: str = Field(default="", max_length=64)


@door.get("/portal/links/conversions")
def my_conversions() -> ResponseReturnValue:
    """The part, for the page that asks; 204 when nothing changed; people are sent to the whole page."""
    member, seen = advocate(), read_query(SeenQuery).seen
    if "HX-Request" not in request.headers:
        return redirect("/portal/links#conversions", 303)
    told = yours.yours(member.id)
    if told.stamp == seen:
        return "", 204
    return render_template(
        "portal/referrals/conversions.html",
        conversions=told,
        amount=yours.amount_of,
        share=yours.share_of,
        verdict=yours.verdict_of,
    )
