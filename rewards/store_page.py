"""The door for advocates: what their points are worth, and what they ordered."""

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field
from sqlmodel import col, select

from core.db import session
from core.ids import new_id
from core.inputs import Input
from hub.metrics import value_of
from hub.programmes import get_programme
from rewards.perks import perk_orders, perks, points
from rewards.perks.perk_orders import PerkOrder
from web.forms import Form, read_form
from web.signing_in import advocate

door = Blueprint("rewards_store", __name__)

SHOWN = 50


class NewOrder(Input):
    """What an advocate wants for points."""

    perk_id: str = Field(max_length=26)
    once: str = Field(min_length=1, max_length=26)
    wish: str = Field(default="", max_length=500)


@door.get("/portal/rewards/store")
def store() -> str:
    """The perks that can be had, and one's own orders."""
    member = advocate()
    mine = select(PerkOrder).where(PerkOrder.membership_id == member.id).order_by(col(PerkOrder.id).desc())
    return render_template(
        "portal/rewards/store.html",
        programme=get_programme(member.programme_id),
        earned=value_of("points", "all", member.id),
        points=points.to_spend(member.id),
        waiting=points.waiting(member.id),
        perks=perks.perks_of(member.programme_id, offered=True),
        orders=session().exec(mine.limit(SHOWN)).all(),
        once=new_id(),
        form=Form(),
    )


@door.post("/portal/rewards/store")
def order() -> ResponseReturnValue:
    """Spend points on a perk."""
    member, wanted = advocate(), read_form(NewOrder)
    made = perk_orders.order(perks.get_perk(wanted.perk_id), member, once=wanted.once, wish=wanted.wish)
    flash(_("Ordered: %(name)s.", name=made.name), "good")
    return redirect("/portal/rewards/store", 303)
