"""Doors for visitors: apply, read back what was sent, answer, withdraw."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user
from pydantic import Field

from advocates import applications
from advocates.application_links import TOKEN_LENGTH, application_of
from advocates.applications import CONSENT, NewApplication, Particulars
from core import throttle
from core.db import transaction
from core.inputs import Input
from hub.programmes import Programme, ProgrammeNotFound, find_programme, get_programme, open_programmes
from web.forms import read_form
from web.requests import transacts_itself

door = Blueprint("advocates_public", __name__)

SLUG = f"/apply/<string(maxlength={TOKEN_LENGTH - 1}):slug>"
PRIVATE = f"/apply/<string(length={TOKEN_LENGTH}):token>"
PER_EMAIL, PER_ADDRESS, WINDOW_S = 5, 30, 3_600


class ApplicationForm(Particulars):
    """What the form sends: the particulars, and a field that people cannot see and do not fill."""

    website: str = Field(default="", max_length=2_000)


class Reply(Input):
    """The applicant's answer to a question."""

    answer: str = Field(min_length=1, max_length=4_000)


@door.get("/apply")
def choose_programme() -> ResponseReturnValue:
    """The programmes that take applications; when there is just one, its form."""
    programmes = open_programmes()
    if len(programmes) == 1:
        return redirect(url_for("advocates_public.form_page", slug=programmes[0].slug))
    return render_template("public/advocates/choose.html", programmes=programmes)


@door.get(SLUG)
def form_page(slug: str) -> str:
    """The form of a programme."""
    return render_template("public/advocates/apply.html", programme=_programme(slug), consent=CONSENT)


@door.post(SLUG)
@transacts_itself
def apply(slug: str) -> ResponseReturnValue:
    """Take an application; tries are counted in transactions of their own, so refused ones count too."""
    typed = read_form(ApplicationForm)
    if not typed.website:  # a robot filled the hidden field: it gets the same page, and nothing is kept
        _count(typed.email)
        _store(NewApplication(**typed.model_dump(exclude={"website"}), programme=slug))
    return redirect(url_for("advocates_public.thanks", slug=slug), 303)


def _count(email: str) -> None:
    for name, most in ((email, PER_EMAIL), (throttle.masked(request.remote_addr), PER_ADDRESS)):
        with transaction():
            throttle.count(f"apply:{name}", most=most, window_s=WINDOW_S)


def _store(new: NewApplication) -> None:
    with transaction():
        person_id = current_user.actor.person_id if current_user.is_authenticated else None
        applications.receive(new, person_id=person_id)


@door.get(f"{SLUG}/thanks")
def thanks(slug: str) -> str:
    """What happens next."""
    return render_template("public/advocates/thanks.html", programme=_programme(slug))


@door.get(PRIVATE)
def read_back(token: str) -> str:
    """What was sent, where it stands, and what can be done about it."""
    application = application_of(token)
    programme = get_programme(application.programme_id)
    changes = applications.history(application.id)
    return render_template(
        "public/advocates/read_back.html",
        application=application,
        programme=programme,
        changes=changes,
        token=token,
        open_states=applications.OPEN,
        decide_by=application.decide_by.astimezone(programme.zone).date(),
    )


@door.post(PRIVATE)
def answer(token: str) -> ResponseReturnValue:
    """Answer what was asked."""
    applications.answer(application_of(token), read_form(Reply).answer)
    flash(_("Thank you. We have your answer."), "good")
    return redirect(url_for("advocates_public.read_back", token=token), 303)


@door.post(f"{PRIVATE}/withdraw")
def withdraw(token: str) -> ResponseReturnValue:
    """Take the application back."""
    applications.withdraw(application_of(token))
    flash(_("Your application is withdrawn."), "good")
    return redirect(url_for("advocates_public.read_back", token=token), 303)


def _programme(slug: str) -> Programme:
    programme = find_programme(slug)
    if programme is None:
        raise ProgrammeNotFound
    return programme
