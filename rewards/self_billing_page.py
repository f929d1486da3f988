"""Doors for self-billing: an advocate agrees, finance says who issues the invoices and sees them."""

from typing import Annotated, Literal

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field, StringConstraints
from sqlmodel import col, select

from core import audit
from core.access import authorize
from core.inputs import Input, Line
from core.paging import page_of
from core.spreadsheets import CSV
from hub import units
from rewards import payouts_page
from rewards.payouts_page import people_of
from rewards.statements_page import answer_file
from rewards.tax import invoice_files, self_billing
from rewards.tax.invoices import Invoice
from rewards.tax.self_billing import RIGHT
from web.country_names import Country, named
from web.forms import Form, read_form, read_query
from web.proving import proves
from web.requests import writes_on_get
from web.signing_in import advocate, me, staff

door = Blueprint("rewards_self_billing", __name__)

PAGE = "/console/payouts/invoices"


class Agreed(Input):
    """Begin or end."""

    act: Literal["agree", "end"]


class InvoicesQuery(Input):
    """Which page of the invoices."""

    after: str | None = Field(default=None, max_length=1_000)


class IssuerGiven(Input):
    """Who issues a unit's invoices."""

    unit_id: Line
    name: Line
    address: str = Field(min_length=1, max_length=500)
    country: Country
    vat_id: str = Field(default="", max_length=20)
    prefix: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]{0,7}$")]


@door.post("/portal/rewards/self-billing")
@proves()
def agree() -> ResponseReturnValue:
    """The advocate lets us write their invoices, or does no more."""
    member, wanted = advocate(), read_form(Agreed)
    if wanted.act == "agree":
        self_billing.agree(member, by=me().actor)
        flash(_("We write your invoices from this month on; they are part of your statements."), "good")
    else:
        self_billing.end(member, by=me().actor)
        flash(_("We write no invoices for you any more."), "good")
    return redirect("/portal/rewards/tax-form", 303)


@door.get(PAGE)
def invoices_page() -> str:
    """The invoices, the newest first, and who issues them."""
    actor, query = staff(payouts_page.SEE), read_query(InvoicesQuery)
    wanted = select(Invoice).where(col(Invoice.unit_id).in_(actor.units_for(payouts_page.SEE)))
    page = page_of(wanted, (col(Invoice.id), "id"), after=query.after)
    names = {each.id: each.name for each in units.all_units()}
    mine = actor.units_for(RIGHT)
    return render_template(
        "console/rewards/invoices.html",
        page=page,
        people=people_of({each.membership_id for each in page.items}),
        issuers=self_billing.issuers_in(actor.units_for(payouts_page.SEE)),
        names=names,
        units=[(each, name) for each, name in names.items() if each in mine],
        countries=named(),
        form=Form(),
    )


@door.post(PAGE)
@proves(RIGHT)
def set_issuer() -> ResponseReturnValue:
    """Say who issues a unit's invoices."""
    actor, wanted = staff(RIGHT), read_form(IssuerGiven)
    authorize(actor, RIGHT, wanted.unit_id)
    kept = self_billing.set_issuer(**wanted.model_dump(), by=actor)
    flash(_("Invoices are issued by %(name)s from now on.", name=kept.name), "good")
    return redirect(PAGE, 303)


@door.get(f"{PAGE}.csv")
@writes_on_get
def table() -> ResponseReturnValue:
    """Every invoice with its parties; with names and addresses, so it is on the audit log."""
    actor = staff(RIGHT)
    audit.record(actor, "invoices.exported", "unit", min(actor.units_for(RIGHT)))
    return answer_file(invoice_files.as_table(actor.units_for(RIGHT)), CSV, "invoices.csv")
