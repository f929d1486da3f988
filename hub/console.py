"""Doors for staff: what waits for them, the units and who does what in them, the settings."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field, StringConstraints
from sqlmodel import col, select

from core import api_keys, audit, invitations, mail
from core.access import Actor, authorize
from core.api_keys import ApiKey
from core.clock import now
from core.db import session
from core.errors import Forbidden, NotFound
from core.ids import new_id
from core.inputs import Input, Line, Paragraphs
from core.money import Money, to_minor
from core.people import Person, find_person, register
from hub import actions, metrics, policies, roles, units
from hub.actions import Action
from hub.programmes import Programme, change, get_programme, programmes_in
from hub.roles import ROLES, Role, RoleGrant
from web.forms import Form, read_form, read_query
from web.signing_in import staff

door = Blueprint("hub_console", __name__)

ACTION_ADDRESSES = {
    "application.review": "/console/applications/{}",
    "reward.approve": "/console/rewards/{}",
    "reward.approve_second": "/console/rewards/{}",
    "payout.look": "/console/payouts/items/{}",
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


Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,39}$")]


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

    email: Line
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


@door.get("/console/settings")
def settings_page() -> str:
    """The programmes with their clockwork and conditions, and the keys of machines."""
    actor = staff("programme.see")
    keys = (
        session().exec(select(ApiKey).order_by(col(ApiKey.created_at).desc())).all()
        if actor.may("settings.see")
        else []
    )
    return render_template(
        "console/hub/settings.html",
        programmes=programmes_in(actor.units_for("programme.see")),
        names={unit.id: unit.name for unit in units.all_units()},
        keys=keys,
        scopes=api_keys.SCOPES,
        manage=actor.may("settings.manage"),
        units=[unit for unit in units.all_units() if unit.id in actor.units_for("settings.manage")],
        new_key=None,
    )


class NewKey(Input):
    """A key for a machine."""

    name: Line
    unit_id: Line
    scopes: list[api_keys.Scope] = Field(min_length=1)


@door.post("/console/settings")
def add_key() -> ResponseReturnValue:
    """Make a key; the page that answers is the only one that shows it."""
    actor = staff("settings.manage")
    wanted = read_form(NewKey)
    authorize(actor, "settings.manage", wanted.unit_id)
    secret = api_keys.create_api_key(wanted.name, list(wanted.scopes), wanted.unit_id)
    audit.record(
        actor,
        "api_key.created",
        "unit",
        wanted.unit_id,
        unit_id=wanted.unit_id,
        details={"name": wanted.name},
    )
    return render_template("console/hub/new_key.html", secret=secret, name=wanted.name)


@door.post("/console/settings/keys/<id:key_id>/revoke")
def revoke_key(key_id: str) -> ResponseReturnValue:
    """End a key at once."""
    actor = staff("settings.manage")
    row = session().get(ApiKey, key_id)
    if row is None:
        raise NotFound
    authorize(actor, "settings.manage", row.unit_id)
    row.revoked_at = row.revoked_at or now()
    session().add(row)
    audit.record(
        actor, "api_key.revoked", "unit", row.unit_id, unit_id=row.unit_id, details={"name": row.name}
    )
    flash(_("The key is revoked."), "good")
    return redirect("/console/settings", 303)


@door.get("/console/settings/programmes/<id:programme_id>")
def programme_page(programme_id: str) -> str:
    """One programme: its settings as they are, its policies in force."""
    actor = staff("programme.see")
    programme = get_programme(programme_id)
    authorize(actor, "programme.see", programme.unit_id)
    return render_template(
        "console/hub/programme.html",
        programme=programme,
        unit=units.get_unit(programme.unit_id),
        owners=[session().get_one(Person, each) for each in programme.owner_ids],
        policies=policies.required_versions(programme.id, now()),
        manage=actor.may("programme.manage", programme.unit_id),
        form=Form(_as_typed(programme)),
    )


def _as_typed(programme: Programme) -> dict[str, object]:
    """The programme's settings as the form shows them: hosts one a line, sums in the currency's main unit."""
    return programme.model_dump() | {
        "allowed_hosts": "\n".join(programme.allowed_hosts),
        "payout_minimum": Money(programme.payout_minimum_minor, programme.currency).major,
        "four_eyes_above": Money(programme.four_eyes_above_minor, programme.currency).major,
    }


class ProgrammeChange(Input):
    """What of a programme its managers may change here."""

    name: Line
    summary: Paragraphs = ""
    home_url: Line
    allowed_hosts: Paragraphs
    hold_days: int = Field(ge=0, le=365)
    attribution_days: int = Field(ge=1, le=365)
    payout_minimum: Decimal = Field(ge=0, max_digits=15, decimal_places=4)
    four_eyes_above: Decimal = Field(ge=0, max_digits=15, decimal_places=4)
    decide_within_days: int = Field(ge=1, le=90)
    open_to_applications: bool = False


@door.post("/console/settings/programmes/<id:programme_id>")
def change_programme(programme_id: str) -> ResponseReturnValue:
    """Change a programme's settings; before and after go to the audit log."""
    actor = staff("programme.manage")
    programme = get_programme(programme_id)
    authorize(actor, "programme.manage", programme.unit_id)
    wanted = read_form(ProgrammeChange).model_dump()
    wanted["allowed_hosts"] = wanted["allowed_hosts"].lower().split()
    for name in ("payout_minimum", "four_eyes_above"):
        wanted[f"{name}_minor"] = to_minor(wanted.pop(name), programme.currency)
    change(programme, wanted, by=actor)
    flash(_("Saved."), "good")
    return redirect(f"/console/settings/programmes/{programme_id}", 303)


class NewPolicyVersion(Input):
    """A wording of a policy."""

    title: Line
    slug: Slug
    text: str = Field(min_length=1, max_length=20_000)
    material: bool = False


class PolicyQuery(Input):
    """Which policy gets its next version; empty for a new one."""

    policy: str = Field(default="", max_length=40)


@door.get("/console/settings/programmes/<id:programme_id>/policy")
def policy_form(programme_id: str) -> str:
    """Write a policy, or its next version."""
    actor = staff("programme.manage")
    programme = get_programme(programme_id)
    authorize(actor, "programme.manage", programme.unit_id)
    slug = read_query(PolicyQuery).policy
    known = policies.latest_version(programme_id, slug) if slug else None
    return render_template(
        "console/hub/policy.html",
        programme=programme,
        known=policies.policies_of(programme_id),
        form=Form(
            {"material": True}
            | ({"slug": known[0].slug, "title": known[0].title, "text": known[1].text} if known else {})
        ),
    )


@door.post("/console/settings/programmes/<id:programme_id>/policy")
def publish_policy(programme_id: str) -> ResponseReturnValue:
    """Publish it, effective now."""
    actor = staff("programme.manage")
    programme = get_programme(programme_id)
    authorize(actor, "programme.manage", programme.unit_id)
    wanted = read_form(NewPolicyVersion)
    policies.publish_policy(
        programme_id, wanted.slug, wanted.title, wanted.text, by=actor, material=wanted.material
    )
    flash(_("The policy is in force. Advocates will be asked to acknowledge it."), "good")
    return redirect(f"/console/settings/programmes/{programme_id}", 303)
