"""Doors for tax forms: an advocate gives one, finance accepts it or returns it."""

from datetime import date
from typing import Literal

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field
from sqlmodel import col, select

from advocates.membership import Membership
from core import audit
from core.access import Actor, authorize
from core.clock import now
from core.db import session
from core.errors import Forbidden
from core.inputs import Input, Line
from core.people import get_person
from hub.programmes import Programme, get_programme
from rewards.tax import self_billing, tax_forms
from rewards.tax.tax_forms import RIGHT, Details, Kind, State, TaxForm, Version, get_form
from web.country_names import Country, named
from web.forms import Form, read_form, read_query
from web.proving import proves
from web.requests import writes_on_get
from web.signing_in import advocate, me, staff

door = Blueprint("rewards_tax_forms", __name__)

PAGE, LIST = "/portal/rewards/tax-form", "/console/payouts/tax-forms"
SHOWN = 200
MOST = 1_000_000
"""versions"""


class GivenForm(Input):
    """What an advocate gives."""

    kind: Kind
    name: Line
    address: str = Field(min_length=1, max_length=500)
    country: Country
    tax_id: str = Field(default="", max_length=30)
    vat_id: str = Field(default="", max_length=20)
    born_on: date | None = None
    certified: Literal["yes"]
    """that it is true"""


class FormsQuery(Input):
    """Which forms."""

    state: State = "given"


class Answer(Input):
    """What finance says of one version of a form."""

    act: Literal["accept", "return"]
    version: int = Field(ge=1, le=MOST)
    reason: str = Field(default="", max_length=500)


@door.get(PAGE)
def my_form() -> str:
    """What the advocate gave, by its last figures, and a form for the next."""
    member = advocate()
    known = tax_forms.form_of(member.person_id)
    return render_template(
        "portal/rewards/tax_form.html",
        known=known,
        standing=tax_forms.standing(known, now()),
        programme=get_programme(member.programme_id),
        agreement=self_billing.agreement_of(member.id),
        issuer=self_billing.issuer_of(member.unit_id),
        countries=named(),
        form=Form({"name": get_person(member.person_id).name}),
    )


@door.post(PAGE)
@proves()
def give() -> ResponseReturnValue:
    """Give a form, or the next one."""
    member, typed = advocate(), read_form(GivenForm)
    details = tax_forms.checked(Details(**typed.model_dump(exclude={"certified"})))
    tax_forms.give(member, details, by=me().actor)
    flash(_("We have your tax form. Finance looks at it next."), "good")
    return redirect(PAGE, 303)


@door.get(LIST)
def forms_page() -> str:
    """The forms that wait, or were decided."""
    actor, query = staff(RIGHT), read_query(FormsQuery)
    forms = tax_forms.forms_in(actor.units_for(RIGHT), query.state, limit=SHOWN)
    return render_template("console/rewards/tax_forms.html", forms=forms, query=query)


@door.get(f"{LIST}/<id:form_id>")
@writes_on_get
def form_page(form_id: str) -> str:
    """One form, readable; that somebody read it is on the audit log."""
    actor, found, programme = _theirs(form_id)
    return render_template(
        "console/rewards/tax_form.html",
        known=found,
        details=_read(found, found, by=actor),
        standing=tax_forms.standing(found, now()),
        earlier=tax_forms.earlier_of(found.id),
        zone=programme.zone,
        own=found.person_id == actor.person_id,
        form=Form(),
    )


@door.get(f"{LIST}/<id:form_id>/versions/<int(max={MOST}):version>")
@writes_on_get
def earlier_page(form_id: str, version: int) -> str:
    """A version that was replaced, readable with the same right, on the audit log as well."""
    actor, found, programme = _theirs(form_id)
    earlier = tax_forms.get_earlier(found.id, version)
    return render_template(
        "console/rewards/earlier_tax_form.html",
        known=earlier,
        details=_read(found, earlier, by=actor),
        zone=programme.zone,
    )


def _read(form: TaxForm, version: Version, *, by: Actor) -> Details:
    audit.record(by, "tax_form.read", "tax_form", form.id, details={"version": version.version})
    return tax_forms.details_of(version)


@door.post(f"{LIST}/<id:form_id>")
@proves(RIGHT)
def answer(form_id: str) -> ResponseReturnValue:
    """Accept it, or say what is wrong with it."""
    (actor, found, _programme), wanted = _theirs(form_id), read_form(Answer)
    if wanted.act == "accept":
        tax_forms.accept(found, wanted.version, by=actor)
        flash(_("Accepted: payouts go on with the next run."), "good")
    else:
        tax_forms.give_back(found, wanted.version, by=actor, reason=wanted.reason)
        flash(_("Returned, with your reason."), "good")
    return redirect(LIST, 303)


def _theirs(form_id: str) -> tuple[Actor, TaxForm, Programme]:
    """The form, for finance of a unit in which its person is an advocate, and the programme that they are it in."""
    actor, found = staff(RIGHT), get_form(form_id)
    members = session().exec(
        select(Membership)
        .where(Membership.person_id == found.person_id)
        .order_by(col(Membership.unit_id), col(Membership.id))
    )
    reached = [each for each in members if actor.may(RIGHT, each.unit_id)]
    if not reached:
        raise Forbidden
    authorize(actor, RIGHT, reached[0].unit_id)
    return actor, found, get_programme(reached[0].programme_id)
