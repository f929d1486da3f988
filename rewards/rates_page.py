"""Doors for staff: what currencies were worth, and the rates that rewards wait for."""

from typing import Annotated, Literal

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from pydantic import StringConstraints

from core.access import Actor, authorize
from core.inputs import Currency, Input, Line
from hub import actions
from hub.units import Unit, all_units
from rewards.rules import exchange_rates, rate_tables
from rewards.rules.rate_waits import ENTER
from web.forms import Form, read_form
from web.proving import proves
from web.signing_in import staff

door = Blueprint("rewards_rates", __name__)

SEE = "reward.see"
SHOWN = 200


class NewRates(Input):
    """A table of rates: shown first, then entered."""

    act: Literal["show", "enter"] = "show"
    unit_id: Line
    """for it and all below"""
    base: Currency
    source: Line
    table: Annotated[str, StringConstraints(max_length=rate_tables.MOST_TEXT)]


@door.get("/console/rewards/rates")
def rates_page() -> str:
    """The newest rates, those that are missing, and a form for more."""
    actor = staff(SEE)
    return render_template(
        "console/rewards/rates.html",
        rates=exchange_rates.newest(actor.units_for(SEE), SHOWN),
        names=_names(),
        missing=actions.waiting_for(actor, kind=ENTER).items,
        units=_units(actor),
        form=Form({"base": "EUR", "source": "ECB"}),
    )


@door.post("/console/rewards/rates")
@proves(exchange_rates.RIGHT, "enter")
def enter_rates() -> ResponseReturnValue:
    """Show what a table says, or enter it: rewards that wait for one of its rates are granted by the clock."""
    actor, wanted = staff(exchange_rates.RIGHT), read_form(NewRates)
    authorize(actor, exchange_rates.RIGHT, wanted.unit_id)
    rates = rate_tables.read(wanted.table, wanted.base)
    if wanted.act == "show":
        return render_template(
            "console/rewards/new_rates.html",
            rates=rates,
            last=exchange_rates.last_of(wanted.unit_id, rates),
            far_off=exchange_rates.far_off,
            wanted=wanted,
            unit=_names()[wanted.unit_id],
            form=Form(),
        )
    new = exchange_rates.enter(wanted.unit_id, rates, wanted.source, by=actor)
    said = ngettext("One rate is entered.", "%(num)s rates are entered.", new)
    flash(said if new else _("All of them are there already."), "good")
    return redirect("/console/rewards/rates", 303)


def _units(actor: Actor) -> list[Unit]:
    """Those that the actor enters rates for, the highest first."""
    mine = actor.units_for(exchange_rates.RIGHT)
    return sorted((each for each in all_units() if each.id in mine), key=lambda each: each.parent_id in mine)


def _names() -> dict[str, str]:
    return {each.id: each.name for each in all_units()}
