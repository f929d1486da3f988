"""Doors for staff: open one link for an advocate, by the rules of an import of one row."""

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from core.access import authorize
from core.inputs import Line
from hub.programmes import get_programme, programmes_in
from referrals.links.link_import import open_row
from referrals.links.link_rows import LinkRow
from web.forms import Form, read_form
from web.signing_in import staff

door = Blueprint("referrals_new_link", __name__)


class LinkForAdvocate(LinkRow):
    """A link to open, and the programme in which the advocate is."""

    programme_id: Line


@door.get("/console/links/new")
def new_link_page() -> str:
    """Whose it is, and what it may be given."""
    programmes = programmes_in(staff("link.manage").units_for("link.manage"))
    known = {"programme_id": programmes[0].id} if programmes else {}
    return render_template("console/referrals/new_link.html", programmes=programmes, form=Form(known))


@door.post("/console/links/new")
def open_for_advocate() -> ResponseReturnValue:
    """Open it; its page shows the address to pass on."""
    actor, typed = staff("link.manage"), read_form(LinkForAdvocate)
    programme = get_programme(typed.programme_id)
    authorize(actor, "link.manage", programme.unit_id)
    link = open_row(programme, typed, by=actor)
    flash(_("The link %(code)s is open.", code=link.code), "good")
    return redirect(f"/console/links/{link.id}", 303)
