"""Doors for staff: what a programme gives for points, and the orders that wait to be sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Literal

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field
from sqlmodel import col, select

from core.access import Actor, authorize
from core.clock import now
from core.errors import Invalid
from core.inputs import Input, Line, Paragraphs, Sum
from core.money import Money, to_minor
from core.paging import Page, page_of
from hub.programmes import Programme, get_programme, programmes_in
from rewards.payouts_page import people_of
from rewards.perks import perk_orders, perks
from rewards.perks.perk_orders import PerkOrder
from rewards.perks.perks import MANAGE, PAYS, Perk
from web.forms import Form, read_form, read_query
from web.proving import proves
from web.signing_in import staff

door = Blueprint("rewards_perks", __name__)

MOST = 1_000_000_000


class PerksQuery(Input):
    """Which orders."""

    state: perk_orders.State = "ordered"
    after: str | None = Field(default=None, max_length=1_000)


class NewPerk(Input):
    """What is offered from now on."""

    programme_id: Line
    name: Line
    description: Paragraphs = ""
    points: int = Field(default=0, ge=0, le=MOST)
    worth: Sum = Decimal(0)
    """what payouts count one for, in the programme's main unit; empty: they are not given in it"""
    stock: int = Field(ge=0, le=MOST)
    last_day: date | None = None


class PerkAct(Input):
    """What to do with a perk."""

    act: Literal["restock", "withdraw"]
    more: int = Field(default=0, ge=-MOST, le=MOST)


class OrderAct(Input):
    """What to do with an order."""

    act: Literal["send", "decline", "come_back"]
    said: str = Field(default="", max_length=500)


class NoPrice(Invalid):
    """Say how many points it costs, or what it is worth when payouts are given in it."""


class TooEarly(Invalid):
    """The last day is today at the earliest, and within five years."""


@dataclass(frozen=True)
class Shelf:
    """A programme and its perks."""

    programme: Programme
    perks: Sequence[Perk]
    managed: bool
    paid_by_us: bool
    """whether the actor says what its payouts are given in"""


@door.get("/console/rewards/perks")
def perks_page() -> str:
    """Every perk, a form for the next, and the orders."""
    actor, query = staff("reward.see"), read_query(PerksQuery)
    page = _orders(actor, query)
    return render_template(
        "console/rewards/perks.html",
        shelves=_shelves(actor),
        page=page,
        people=people_of({each.membership_id for each in page.items}),
        query=query,
        may_answer=actor.may(MANAGE),
        at=now(),
        form=Form(),
    )


def _shelves(actor: Actor) -> list[Shelf]:
    programmes = programmes_in(actor.units_for("reward.see"))
    return [
        Shelf(
            each,
            perks.perks_of(each.id, offered=False),
            actor.may(MANAGE, each.unit_id),
            actor.may(PAYS, each.unit_id),
        )
        for each in programmes
    ]


def _orders(actor: Actor, query: PerksQuery) -> Page[PerkOrder]:
    wanted = select(PerkOrder).where(
        col(PerkOrder.unit_id).in_(actor.units_for("reward.see")), PerkOrder.state == query.state
    )
    oldest_first = query.state == "ordered"
    return page_of(wanted, (col(PerkOrder.id), "id"), after=query.after, descending=not oldest_first)


@door.post("/console/rewards/perks")
@proves(PAYS)
def offer() -> ResponseReturnValue:
    """Offer one more; finance, whose word changes what people are paid in, proves who they are."""
    actor, wanted = staff("reward.see"), read_form(NewPerk)
    programme = get_programme(wanted.programme_id)
    authorize(actor, PAYS if wanted.worth else MANAGE, programme.unit_id)
    ends_at = _end_after(wanted.last_day, programme)
    perks.offer(
        programme, wanted.name, wanted.points, wanted.stock,
        by=actor, description=wanted.description, ends_at=ends_at, worth=_worth(wanted, programme),
    )  # fmt: skip
    flash(_("%(name)s is offered.", name=wanted.name), "good")
    return redirect("/console/rewards/perks", 303)


def _worth(wanted: NewPerk, programme: Programme) -> Money | None:
    if not wanted.worth and not wanted.points:
        raise NoPrice
    return Money(to_minor(wanted.worth, programme.currency), programme.currency) if wanted.worth else None


def _end_after(day: date | None, programme: Programme) -> datetime | None:
    if day is None:
        return None
    today = now().astimezone(programme.zone).date()
    if not today <= day <= today + timedelta(days=5 * 366):
        raise TooEarly
    return datetime.combine(day + timedelta(days=1), time.min, tzinfo=programme.zone)


@door.post("/console/rewards/perks/<id:perk_id>")
def change(perk_id: str) -> ResponseReturnValue:
    """Restock it, or offer it no more."""
    actor, wanted = staff(MANAGE), read_form(PerkAct)
    perk = perks.get_perk(perk_id)
    if wanted.act == "restock":
        perks.restock(perk, wanted.more, by=actor)
        flash(_("There are %(stock)s of %(name)s now.", stock=perk.stock, name=perk.name), "good")
    else:
        perks.withdraw(perk, by=actor)
        flash(_("%(name)s is not offered any more.", name=perk.name), "good")
    return redirect("/console/rewards/perks", 303)


@door.post("/console/rewards/perks/orders/<id:order_id>")
def answer(order_id: str) -> ResponseReturnValue:
    """Send it, or say why not; or that it came back."""
    actor, wanted = staff(MANAGE), read_form(OrderAct)
    order = perk_orders.get_order(order_id)
    if wanted.act == "send":
        perk_orders.send(order, by=actor, said=wanted.said)
        flash(_("Sent: %(name)s.", name=order.name), "good")
    elif wanted.act == "come_back":
        perk_orders.come_back(order, by=actor, reason=wanted.said)
        flash(
            _("Finance says what becomes of the payout.")
            if order.payout_id
            else _("Back in stock; the points are back."),
            "good",
        )
    else:
        perk_orders.decline(order, by=actor, reason=wanted.said)
        flash(
            _("Declined: it is owed again.") if order.payout_id else _("Declined; the points are back."),
            "good",
        )
    return redirect("/console/rewards/perks", 303)
