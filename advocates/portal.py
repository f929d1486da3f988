"""Doors for advocates: their profile, and which of their programmes they look at."""

from zoneinfo import available_timezones

from flask import Blueprint, flash, redirect, render_template, session
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from pydantic import Field

from advocates.membership import MembershipNotFound, current_standing, current_term, memberships_of
from advocates.profile import Profile, change_profile, end_other_browsers
from core.inputs import Input
from core.people import get_person
from hub.policies import acknowledged
from hub.programmes import get_programme
from web.forms import Form, read_form
from web.signing_in import advocate, me

door = Blueprint("advocates_portal", __name__)


class Choice(Input):
    """Which membership to look at."""

    membership: str = Field(max_length=26)


@door.get("/portal/profile")
def profile_page() -> str:
    """Name, time zone, whether to be named, the term, signed-in browsers."""
    member = advocate()
    person = get_person(member.person_id)
    known = {
        "name": person.name,
        "time_zone": person.time_zone,
        "shown_by_name": "yes" if member.shown_by_name else "",
    }
    return render_template(
        "portal/advocates/profile.html",
        member=member,
        person=person,
        programme=get_programme(member.programme_id),
        standing=current_standing(member.id),
        term=current_term(member.id),
        others=[
            (each, get_programme(each.programme_id))
            for each in memberships_of(person.id)
            if each.id != member.id
        ],
        agreed=acknowledged(person.id, member.programme_id),
        zones=sorted(available_timezones()),
        form=Form(known),
    )


@door.post("/portal/profile")
def change() -> ResponseReturnValue:
    """Change it."""
    change_profile(advocate(), read_form(Profile), by=me().actor)
    flash(_("Saved."), "good")
    return redirect("/portal/profile", 303)


@door.post("/portal/profile/sign-out-others")
def sign_out_others() -> ResponseReturnValue:
    """Sign out wherever else this person is signed in."""
    ended = end_other_browsers(advocate().person_id, me().secret)
    flash(
        ngettext("One other browser was signed out.", "%(num)s other browsers were signed out.", ended),
        "good",
    )
    return redirect("/portal/profile", 303)


@door.post("/portal/programme")
def switch_programme() -> ResponseReturnValue:
    """Look at another of one's own programmes."""
    chosen = read_form(Choice).membership
    if chosen not in me().membership_ids:
        raise MembershipNotFound
    session["membership"] = chosen
    return redirect("/portal", 303)
