"""Doors for staff: the settings, as pages: programmes with their policies, keys for machines."""

import hashlib
import json
from collections.abc import Mapping

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field
from sqlmodel import col, select

from core import api_keys, audit
from core.access import Actor, authorize
from core.api_keys import ApiKey
from core.clock import now
from core.db import session
from core.errors import Conflict, Forbidden, NotFound
from core.inputs import Input, Line, Paragraphs, Slug, Sum
from core.money import Money, to_minor
from core.people import Person
from hub import policies, units
from hub.programmes import AttributionRule, Programme, TaxForms, change, get_programme, programmes_in
from web.forms import Form, read_form, read_query
from web.proving import proves
from web.signing_in import staff

door = Blueprint("hub_settings", __name__)
FOUR_EYES = "programme.four_eyes"


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
@door.get("/console/settings/programmes/<id:programme_id>/four-eyes", endpoint="four_eyes_page")
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
        four_eyes=actor.may(FOUR_EYES, programme.unit_id),
        four_eyes_above=Money(programme.four_eyes_above_minor, programme.currency),
        form=Form(_as_typed(programme)),
    )


def _as_typed(programme: Programme) -> dict[str, object]:
    """The programme's settings as the form shows them: hosts one a line, sums in the currency's main unit."""
    return programme.model_dump() | {
        "seen": _seen(programme),
        "allowed_hosts": "\n".join(programme.allowed_hosts),
        "payout_minimum": Money(programme.payout_minimum_minor, programme.currency).major,
        "four_eyes_above": Money(programme.four_eyes_above_minor, programme.currency).major,
    }


class SettingsMoved(Conflict):
    """Somebody changed these settings in the meantime. Please look at them again."""


def _seen(programme: Programme) -> str:
    """What a form showed of the settings; another's save changes it."""
    shown = programme.model_dump(
        mode="json",
        include=set(ProgrammeChange.model_fields) | {"four_eyes_above_minor", "payout_minimum_minor"},
    )
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:16]


def _require_seen(programme: Programme, seen: str) -> None:
    """Nobody else changes it until the commit; raises SettingsMoved when somebody did since it was shown."""
    session().refresh(programme, with_for_update={"key_share": True})
    if seen and seen != _seen(programme):
        raise SettingsMoved


class ProgrammeChange(Input):
    """What of a programme its managers may change here."""

    seen: str = Field(default="", max_length=16)
    """what the form showed of it"""

    name: Line
    summary: Paragraphs = ""
    home_url: Line
    allowed_hosts: Paragraphs
    hold_days: int = Field(ge=0, le=365)
    attribution_days: int = Field(ge=1, le=365)
    attribution_rule: AttributionRule | None = None
    """of conversions from now on; left out: as it is"""
    payout_minimum: Sum
    four_eyes_above: Sum | None = None
    """left out by those who may not change it"""
    tax_forms: TaxForms | None = None
    """left out by those who may not change it"""
    decide_within_days: int = Field(ge=1, le=90)
    open_to_applications: bool = False


@door.post("/console/settings/programmes/<id:programme_id>")
@proves(FOUR_EYES)
def change_programme(programme_id: str) -> ResponseReturnValue:
    """Change a programme's settings; before and after go to the audit log."""
    actor = staff("programme.manage")
    programme = get_programme(programme_id)
    authorize(actor, "programme.manage", programme.unit_id)
    wanted = read_form(ProgrammeChange).model_dump(exclude_none=True)
    _require_seen(programme, wanted.pop("seen"))
    wanted["allowed_hosts"] = wanted["allowed_hosts"].split()
    for name in {"payout_minimum", "four_eyes_above"} & set(wanted):
        wanted[f"{name}_minor"] = to_minor(wanted.pop(name), programme.currency)
    _leave_to_finance(actor, programme, wanted)
    change(programme, wanted, by=actor)
    flash(_("Saved."), "good")
    return redirect(f"/console/settings/programmes/{programme_id}", 303)


LEFT_TO_FINANCE = {
    "four_eyes_above_minor": "Only finance or a hub admin changes the sum above which a second person approves a reward.",
    "tax_forms": "Only finance or a hub admin changes when a payout waits for a tax form.",
}


def _leave_to_finance(actor: Actor, programme: Programme, wanted: Mapping[str, object]) -> None:
    """Who approves rewards does not move what stands between them and a payout."""
    for name, sentence in LEFT_TO_FINANCE.items():
        moved = name in wanted and wanted[name] != getattr(programme, name)
        if moved and not actor.may(FOUR_EYES, programme.unit_id):
            raise Forbidden(sentence)


class FinanceChange(Input):
    """From which sum on a second person approves, and when a payout waits for a tax form."""

    seen: str = Field(default="", max_length=16)
    """what the form showed of the programme"""

    four_eyes_above: Sum
    tax_forms: TaxForms | None = None
    """left out: as it is"""


@door.post("/console/settings/programmes/<id:programme_id>/four-eyes")
@proves(FOUR_EYES)
def change_four_eyes(programme_id: str) -> ResponseReturnValue:
    """Finance, who changes nothing else of a programme, moves these."""
    actor = staff("programme.see")
    programme = get_programme(programme_id)
    authorize(actor, FOUR_EYES, programme.unit_id)
    wanted = read_form(FinanceChange)
    _require_seen(programme, wanted.seen)
    values: dict[str, object] = {
        "four_eyes_above_minor": to_minor(wanted.four_eyes_above, programme.currency)
    }
    if wanted.tax_forms is not None:
        values["tax_forms"] = wanted.tax_forms
    change(programme, values, by=actor)
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
