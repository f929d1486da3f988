"""Doors for visitors: the first page."""

from flask import Blueprint, render_template

from hub.programmes import open_programmes

door = Blueprint("hub_public", __name__)


@door.get("/")
def front() -> str:
    """What this is, and the programmes that take applications."""
    return render_template("public/hub/front.html", programmes=open_programmes())
