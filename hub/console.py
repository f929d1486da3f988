"""Doors for staff: what waits for them, the units and who does what in them."""

from datetime import date
from typing import Any

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field
from sqlmodel import col, select

from core import audit, invitations, mail
from core.access import Actor, authorize
from core.clock import now
from core.db import session
from core.errors import Forbidden, NotFound
from core.ids import new_id
from core.inputs import Email, Input, Line, Slug
from core.people import Person, find_person, register
from hub import actions, metrics, roles, units
from hub.actions import Action
from hub.programmes import programmes_in
from hub.roles import ROLES, Role, RoleGrant
from web.forms import read_form, read_query
from web.signing_in import staff

door = Blueprint("hub_console", __name__)

ACTION_ADDRESSES = {
    "application.review": "/console/applications/{}",
    "reward.approve": "/console/rewards/{}",
    "reward.approve_second": "/console/rewards/{}",
    "payout.look": "/console/payouts/items/{}",
    "proof.look": "/console/jobs#books",
    "reconciliation.look": "/console/payouts/reconciliation",
    "refund.look": "/console/conversions/{}#refunds",
    "fraud.review": "/console/reviews/{}",
    "appeal.decide": "/console/appeals/{}",
    "activity.decide": "/console/activities#a-{}",
    "reward_appeal.decide": "/console/rewards/{}",
    "write_off.confirm": "/console/rewards/{}",
    "perk.send": "/console/rewards/perks",
    "rate.enter": "/console/rewards/rates#{}",
    "tax_form.decide": "/console/payouts/tax-forms/{}",
    "webhook.look": "/console/settings/webhooks/{}",
}
"""where each kind of action is done; {} is the subject's id"""


class TodoQuery(Input):
    """Which of the waiting things to show."""

    kind: str = Field(default="", max_length=40)
    after: str | None = Field(default=None, max_length=1_000)


@door.get("/console")
def todo() -> str:
    """The action list: what waits for this person, the most urgent first."""
    actor = staff("unit.see")
    query = read_query(TodoQuery)
    page = actions.waiting_for(actor, kind=query.kind or None, after=query.after)
    return render_template(
        "console/hub/todo.html",
        page=page,
        query=query,
        counts=actions.counts_for(actor),
        address=action_address,
        names={unit.id: unit.name for unit in units.all_units()},
        now=now(),
        week=_last_weeks(actor),
    )


def action_address(action: Action) -> str:
    """Where an action is done."""
    return ACTION_ADDRESSES.get(action.kind, "/console").format(action.subject_id)


def _last_weeks(actor: Actor) -> dict[str, dict[int, int]]:
    """Clicks and sales of the last 28 days over the units that the actor sees: metric → day → value."""
    last = now().date()
    first = date.fromordinal(last.toordinal() - 27)
    days = [int(f"{date.fromordinal(first.toordinal() + i):%Y%m%d}") for i in range(28)]
    found = {
        metric: metrics.series(metric, actor.units_for("unit.see"), first, last)
        for metric in ("clicks", "sales")
    }
    return {metric: {day: values.get(day, 0) for day in days} for metric, values in found.items()}


@door.get("/console/units")
def unit_list() -> str:
    """The hub and its spokes, with who does what in them."""
    actor = staff("unit.see")
    return render_template(
        "console/hub/units.html", tree=_tree(actor), roles=ROLES, manage=actor.may("unit.manage")
    )


def _tree(actor: Actor) -> list[dict[str, Any]]:
    """Units as the actor sees them, parents first, each with depth, programmes and people."""
    everything = units.all_units()
    seen = [unit for unit in everything if unit.id in actor.units_for("unit.see")]
    rows: list[dict[str, Any]] = []

    def walk(parent_id: str | None, depth: int) -> None:
        for unit in seen:
            is_top = parent_id is None and unit.parent_id not in {each.id for each in seen}
            if (unit.parent_id == parent_id and parent_id is not None) or is_top:
                rows.append({"unit": unit, "depth": depth, **_of_unit(unit.id)})
                walk(unit.id, depth + 1)

    walk(None, 0)
    return rows


def _of_unit(unit_id: str) -> dict[str, Any]:
    running = col(RoleGrant.ends_at).is_(None) | (col(RoleGrant.ends_at) > now())
    held = select(RoleGrant, Person).where(
        RoleGrant.unit_id == unit_id,
        RoleGrant.person_id == Person.id,
        col(RoleGrant.starts_at) <= now(),
        running,
    )
    people = session().exec(held.order_by(Person.name)).all()
    return {"people": people, "programmes": programmes_in(frozenset({unit_id}))}


class NewUnit(Input):
    """A unit to add."""

    name: Line
    slug: Slug
    parent_id: Line


@door.post("/console/units")
def add_unit() -> ResponseReturnValue:
    """Add a spoke."""
    actor = staff("unit.manage")
    wanted = read_form(NewUnit)
    authorize(actor, "unit.manage", wanted.parent_id)
    unit = units.create_unit(wanted.slug, wanted.name, parent=units.get_unit(wanted.parent_id))
    audit.record(actor, "unit.created", "unit", unit.id, unit_id=unit.id, details={"name": unit.name})
    flash(_("%(name)s is added.", name=unit.name), "good")
    return redirect("/console/units", 303)


class NewRole(Input):
    """Who gets which role."""

    email: Email
    name: Line
    role: Role


@door.get("/console/units/<id:unit_id>")
def unit_page(unit_id: str) -> str:
    """One unit: its people and programmes."""
    actor = staff("unit.see")
    authorize(actor, "unit.see", unit_id)
    manage = actor.may("unit.manage", unit_id)
    return render_template(
        "console/hub/unit.html", unit=units.get_unit(unit_id), roles=ROLES, manage=manage, **_of_unit(unit_id)
    )


@door.post("/console/units/<id:unit_id>")
def add_role(unit_id: str) -> ResponseReturnValue:
    """Give somebody a role here; with an invitation when they have no account."""
    actor = staff("unit.manage")
    authorize(actor, "unit.manage", unit_id)
    wanted = read_form(NewRole)
    person = find_person(wanted.email) or register(wanted.email, wanted.name)
    roles.give_role(person, wanted.role, unit_id, by=actor)
    if person.password_hash is None:
        token = invitations.issue(person.id, "invitation")
        mail.leave(
            "staff_invitation",
            person.id,
            new_id(),
            to=person.email,
            name=person.name,
            token=token,
            by=actor.name,
        )
    flash(_("%(name)s has the role now.", name=person.name), "good")
    return redirect(f"/console/units/{unit_id}", 303)


@door.post("/console/units/<id:unit_id>/roles/<id:grant_id>/end")
def end_role(unit_id: str, grant_id: str) -> ResponseReturnValue:
    """End a role; it stays on record with its dates."""
    actor = staff("unit.manage")
    authorize(actor, "unit.manage", unit_id)
    grant = session().get(RoleGrant, grant_id)
    if grant is None or grant.unit_id != unit_id:
        raise NotFound
    if grant.person_id == actor.id:
        raise Forbidden("Nobody ends their own role: ask somebody else to.")
    roles.end_role(grant, by=actor)
    flash(_("The role has ended."), "good")
    return redirect(f"/console/units/{unit_id}", 303)
