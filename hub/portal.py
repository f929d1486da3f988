"""Doors for advocates: home, and the policies they acknowledge."""

from flask import Blueprint, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from core.clock import now
from core.errors import Invalid
from curriculum.markdown import render_markdown
from hub import policies
from hub.home_page import home_of
from web.signing_in import advocate

door = Blueprint("hub_portal", __name__)


class NotTicked(Invalid):
    """Please tick the box when you have read the policy."""


@door.get("/portal")
def home() -> str:
    """One next step, and how things stand."""
    return render_template("portal/hub/home.html", **home_of(advocate(), now()))


@door.get("/portal/policies/<id:version_id>")
def policy(version_id: str) -> str:
    """A policy to read, with the box to tick."""
    member = advocate()
    held, version = policies.get_version(version_id, member.programme_id)
    open_ones = policies.unacknowledged(member.person_id, member.programme_id, now())
    waiting = any(each.id == version.id for _policy, each in open_ones)
    return render_template(
        "portal/hub/policy.html",
        policy=held,
        version=version,
        html=render_markdown(version.text),
        waiting=waiting,
    )


@door.post("/portal/policies/<id:version_id>")
def acknowledge(version_id: str) -> ResponseReturnValue:
    """The advocate has read and accepts."""
    member = advocate()
    policies.get_version(version_id, member.programme_id)
    if request.form.get("accepted") != "yes":
        raise NotTicked
    policies.acknowledge(member.person_id, version_id)
    flash(_("Thank you. That is on record."), "good")
    return redirect("/portal", 303)
