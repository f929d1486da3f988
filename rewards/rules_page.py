"""Doors for staff: what earns how much, since when, and the next version of it."""

from collections.abc import Mapping, Sequence

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field

from core.access import authorize
from core.clock import now
from core.inputs import Input
from hub.programmes import Programme, get_programme, programmes_in
from rewards import rewards_page
from rewards.explanations import name_of
from rewards.rule_form import NewVersion, terms_of, typed_for
from rewards.rules import rules
from rewards.rules.rule_effect import effect_of
from rewards.rules.rules import RewardRule
from rewards.statements.statements import first_day
from web import country_names
from web.forms import Form, read_form, read_query
from web.proving import proves
from web.signing_in import staff

door = Blueprint("rewards_rules", __name__)

MANAGE = "programme.manage"


class RulesQuery(Input):
    """Which rule the form changes, or whose it writes first."""

    programme: str = Field(default="", max_length=26)
    rule: str = Field(default="", max_length=26)


@door.get("/console/rewards/rules")
def rules_page() -> str:
    """Every version of every rule of the programmes one sees, and a form for the next version."""
    actor, query = staff(rewards_page.SEE), read_query(RulesQuery)
    programmes = programmes_in(actor.units_for(rewards_page.SEE))
    managed = [each for each in programmes if actor.may(MANAGE, each.unit_id)]
    return render_template(
        "console/rewards/rules.html",
        held=[(each, rules.rules_of(each.id)) for each in programmes],
        managed=managed,
        says=rules.sentence,
        who=name_of,
        at=now(),
        form=Form(_known(query, managed)),
    )


def _known(query: RulesQuery, managed: Sequence[Programme]) -> Mapping[str, object]:
    """What the form begins with: the version that is to be changed, else nothing but the programme."""
    rule = rules.find_rule(query.rule)
    for programme in managed:
        if rule is not None and programme.id == rule.programme_id:
            return typed_for(rule, programme)
    return {"programme_id": query.programme, "trigger": ["sale"], "pays": ["percent"]}


@door.post("/console/rewards/rules")
@proves(MANAGE)
def change_rule() -> ResponseReturnValue:
    """Show what a new version would have done last month, or begin it now; what has been earned stays as it is."""
    actor = staff(MANAGE)
    wanted = read_form(NewVersion)
    programme = get_programme(wanted.programme_id)
    authorize(actor, MANAGE, programme.unit_id)
    terms = terms_of(wanted, programme, country_names.CODES)
    before = [each for each in rules.rules_at(programme.id, wanted.trigger, now()) if each.pays == terms.pays]
    if wanted.act == "show" or wanted.seen is None or wanted.shown != wanted.as_shown:
        effect = effect_of(programme, wanted.trigger, terms)
        return render_template(
            "console/rewards/rule_effect.html",
            programme=programme,
            wanted=wanted,
            seen=rules.newest_version(programme.id, wanted.trigger, terms.pays),
            new=rules.words(terms, wanted.trigger, rules.cap_currency(programme, terms)),
            old=[rules.sentence(each) for each in before],
            effect=effect,
            first=first_day(effect.month),
            form=Form(),
        )
    made = rules.change_rule(programme, wanted.trigger, terms, by=actor, seen=wanted.seen)
    flash(_what_changes(programme, before, made), "good")
    return redirect(f"/console/rewards/rules?programme={programme.id}", 303)


@door.post("/console/rewards/rules/<id:rule_id>/end")
@proves(MANAGE)
def end_rule(rule_id: str) -> ResponseReturnValue:
    """Nothing more is earned by a rule from now on; what has been earned stays as it is."""
    actor, rule = staff(MANAGE), rules.get_rule(rule_id)
    programme = get_programme(rule.programme_id)
    authorize(actor, MANAGE, programme.unit_id)
    rules.end_rule(rule, programme, by=actor)
    says = rules.sentence(rule)
    flash(_("%(programme)s, ended: %(says)s.", programme=programme.name, says=says), "good")
    return redirect(f"/console/rewards/rules?programme={programme.id}", 303)


def _what_changes(programme: Programme, before: list[RewardRule], made: RewardRule) -> str:
    after = rules.sentence(made)
    text: str = _("%(programme)s, from now on: %(after)s.", programme=programme.name, after=after)
    if before:
        text += " " + _("Until now: %(before)s.", before=rules.sentence(before[0]))
    return text
