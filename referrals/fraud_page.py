"""Doors for staff: conversions to review, with the evidence, and the thresholds behind it."""

from typing import Literal

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field

from core.access import Actor, authorize
from core.clock import now
from core.inputs import Input, Line
from core.money import Money
from hub.programmes import get_programme, programmes_in
from referrals import fraud_case_page
from referrals.fraud import fraud_cases, fraud_thresholds
from referrals.fraud.fraud import FEWER_IS_WORSE, SIGNALS, YES_OR_NO, Threshold
from referrals.fraud.fraud_cases import DECIDE, SEE, FraudCase, get_case
from referrals.fraud.fraud_thresholds import HOLD, MOST, MOST_POINTS, About, FraudThreshold
from referrals.fraud_case_page import ReviewsQuery
from web.forms import Form, read_form, read_query
from web.signing_in import staff

door = Blueprint("referrals_fraud", __name__)

MANAGE = "programme.manage"


class Decision(Input):
    """What becomes of a case, and why."""

    act: Literal["clear", "confirm", "reopen", "overturn"]
    reason: str = Field(default="", max_length=500)
    alike: bool = False
    """the advocate's other open cases, too"""


class ThresholdsQuery(Input):
    """Whose thresholds, and which the form changes first."""

    programme: str = Field(default="", max_length=26)
    about: str = Field(default="", max_length=40)


class NewThreshold(Input):
    """The next version of what a programme says about a signal."""

    programme_id: Line
    about: About
    is_on: bool = False
    low: int = Field(default=0, ge=0, le=MOST)
    low_points: int = Field(default=0, ge=0, le=MOST_POINTS)
    high: int = Field(default=0, ge=0, le=MOST)
    high_points: int = Field(default=0, ge=0, le=MOST_POINTS)


@door.get("/console/reviews")
def reviews() -> str:
    """What waits for a review, or was noted or decided."""
    actor, query = staff(SEE), read_query(ReviewsQuery)
    page = fraud_case_page.cases_of(actor, query)
    return render_template(
        "console/referrals/reviews.html",
        query=query,
        page=page,
        rows=fraud_case_page.rows(page.items),
        programmes=programmes_in(actor.units_for(SEE)),
        money=Money,
    )


@door.get("/console/reviews/<id:case_id>")
def review(case_id: str) -> str:
    """One case: the evidence in words and numbers, the conversion, the advocate's record, similar cases."""
    actor, case = _seen(case_id)
    return render_template(
        "console/referrals/review.html",
        case=case,
        shown=fraud_case_page.shown(case, actor),
        may_decide=actor.may(DECIDE, case.unit_id) and not fraud_cases.is_own(case, actor),
        money=Money,
        form=Form(),
    )


@door.post("/console/reviews/<id:case_id>")
def decide(case_id: str) -> ResponseReturnValue:
    """Clear, confirm, look again, or take a confirmation back."""
    actor, case = _seen(case_id)
    authorize(actor, DECIDE, case.unit_id)
    decision = read_form(Decision)
    many = decision.alike and decision.act in {"clear", "confirm"}
    for each in fraud_cases.open_cases_like(case) if many else [case]:
        VERBS[decision.act](each, by=actor, reason=decision.reason)
    flash(_decided(decision.act, still_open=fraud_cases.under_review(case.conversion_id)), "good")
    return redirect(f"/console/reviews/{case.id}", 303)


VERBS = {
    "clear": fraud_cases.clear,
    "confirm": fraud_cases.confirm,
    "reopen": fraud_cases.reopen,
    "overturn": fraud_cases.overturn,
}


def _decided(act: str, *, still_open: bool) -> str:
    said: dict[str, str] = {
        "clear": _("Cleared: the rewards go on."),
        "confirm": _("Confirmed: it does not count. The advocate sees your reason."),
        "reopen": _("The review is open again: what is not paid yet is held."),
        "overturn": _("Taken back: the conversion is the advocate’s again."),
    }
    if act == "clear" and still_open:
        said["clear"] = _(
            "Cleared. The rewards wait for the review of another advocate who shares this order."
        )
    return said[act]


def _seen(case_id: str) -> tuple[Actor, FraudCase]:
    actor, case = staff(SEE), get_case(case_id)
    authorize(actor, SEE, case.unit_id)
    return actor, case


@door.get("/console/reviews/thresholds")
def thresholds() -> str:
    """What a programme's signals weigh, since when, and a form for the next version."""
    actor, query = staff(SEE), read_query(ThresholdsQuery)
    programmes = programmes_in(actor.units_for(SEE))
    chosen = next((each for each in programmes if each.id == query.programme), None) or (
        programmes[0] if programmes else None
    )
    in_force: dict[About, Threshold] = {}
    versions: list[FraudThreshold] = []
    manage = False
    if chosen is not None:
        found = fraud_thresholds.thresholds_at([chosen.id], now())[chosen.id]
        in_force[HOLD] = Threshold(0, 0, found.hold_at, 0)
        in_force |= {signal: found.signals[signal] for signal in SIGNALS}
        versions = fraud_thresholds.versions_of(chosen.id)
        manage = actor.may(MANAGE, chosen.unit_id)
    about = next((each for each in in_force if each == query.about), HOLD)
    return render_template(
        "console/referrals/thresholds.html",
        programmes=programmes,
        chosen=chosen,
        in_force=in_force,
        versions=versions,
        manage=manage,
        about=about,
        order=(HOLD, *SIGNALS),
        yes_or_no=YES_OR_NO,
        fewer_is_worse=FEWER_IS_WORSE,
        form=Form(_as_typed(in_force.get(about), about, chosen.id if chosen else "")),
    )


def _as_typed(threshold: Threshold | None, about: str, programme_id: str) -> dict[str, object]:
    known: dict[str, object] = dict(vars(threshold)) if threshold else {}
    return {**known, "about": about, "programme_id": programme_id, "is_on": known.get("on") and "yes"}


@door.post("/console/reviews/thresholds")
def change_threshold() -> ResponseReturnValue:
    """Begin a new version now; what was assessed before stays as it was."""
    actor, wanted = staff(MANAGE), read_form(NewThreshold)
    programme = get_programme(wanted.programme_id)
    authorize(actor, MANAGE, programme.unit_id)
    says = Threshold(
        wanted.low,
        wanted.low_points,
        wanted.high,
        wanted.high_points,
        on=wanted.is_on or wanted.about == HOLD,
    )
    made = fraud_thresholds.change_threshold(programme, wanted.about, says, by=actor)
    flash(_("Version %(number)s counts from now on.", number=made.version), "good")
    return redirect(f"/console/reviews/thresholds?programme={programme.id}", 303)
