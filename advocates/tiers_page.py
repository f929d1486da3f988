"""Doors for staff: the tiers of their programmes, and how many advocates have each."""

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field

from advocates import new_tiers, tiers
from advocates.tiers import LONGEST_WINDOW, Counted, Tier
from core.access import authorize
from core.errors import Invalid
from core.inputs import Input, Line, Sum
from core.money import to_minor
from hub.programmes import Programme, get_programme, programmes_in
from web.forms import Form, read_form
from web.signing_in import staff

door = Blueprint("advocates_tiers", __name__)

SEE, MANAGE, PAGE = "programme.see", "programme.manage", "/console/advocates/tiers"


class NewTier(Input):
    """A tier to add: shown first with whom it would be given, then added."""

    seen: str = Field(default="", max_length=64)
    """the digest of the effect that was shown; nothing is added that was not shown"""
    programme_id: Line
    name: Line
    place: int = Field(ge=1, le=100)
    counts: Counted
    at_least: Sum = Field(gt=0)
    """a number, or of revenue a sum in the programme's main unit"""
    months: int = Field(default=12, ge=1, le=LONGEST_WINDOW)


class EndOfTier(Input):
    """The tier that ends."""

    programme_id: Line
    tier_id: Line


class WholeNumber(Invalid):
    """Points, sales and leads are whole numbers."""


@door.get(PAGE)
def tiers_page() -> str:
    """Every programme's tiers, and a form for the next."""
    actor = staff(SEE)
    seen = programmes_in(actor.units_for(SEE))
    return render_template(
        "console/advocates/tiers.html",
        held=[(each, tiers.tiers_of(each.id), tiers.counts_in(each.id)) for each in seen],
        managed=[each for each in seen if actor.may(MANAGE, each.unit_id)],
        form=Form({"months": 12, "counts": ["points"]}),
    )


@door.post(PAGE)
def define() -> ResponseReturnValue:
    """Show who would get a new tier, or add it as it was shown."""
    actor, typed = staff(MANAGE), read_form(NewTier)
    programme = get_programme(typed.programme_id)
    authorize(actor, MANAGE, programme.unit_id)
    tier = _drafted(typed, programme)
    if not typed.seen:
        return render_template(
            "console/advocates/new_tier.html",
            programme=programme,
            typed=typed.model_dump(mode="json", exclude={"seen"}),
            effect=new_tiers.effect_of(tier, programme),
        )
    new_tiers.add_as_shown(tier, programme, seen=typed.seen, by=actor)
    flash(_("%(name)s is a tier from now on.", name=typed.name), "good")
    return redirect(PAGE, 303)


def _drafted(typed: NewTier, programme: Programme) -> Tier:
    at_least = _at_least(typed, programme)
    return tiers.drafted(programme, typed.name, typed.place, at_least, typed.counts, typed.months)


def _at_least(typed: NewTier, programme: Programme) -> int:
    if typed.counts == "revenue":
        return to_minor(typed.at_least, programme.currency)
    if typed.at_least != typed.at_least.to_integral_value():
        raise WholeNumber
    return int(typed.at_least)


@door.post(f"{PAGE}/end")
def end() -> ResponseReturnValue:
    """Have one no more."""
    actor, typed = staff(MANAGE), read_form(EndOfTier)
    programme = get_programme(typed.programme_id)
    authorize(actor, MANAGE, programme.unit_id)
    tier = tiers.get_tier(typed.tier_id, programme.id)
    tiers.end(tier, programme, by=actor)
    flash(_("%(name)s is no tier any more.", name=tier.name), "good")
    return redirect(PAGE, 303)
