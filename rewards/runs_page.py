"""Doors for staff: runs and their payouts, the calendar, and what finance decides about a payout that stopped."""

from typing import Literal

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field
from sqlmodel import col, select

from core.access import authorize
from core.clock import now
from core.db import session
from core.inputs import Input
from hub.programmes import get_programme
from rewards import payouts_page, rewards_page
from rewards.payouts import bank_files, payout_calendar, payout_decisions, payout_preview, payouts
from rewards.payouts.runs import PayoutAttempt
from rewards.payouts_page import get_run
from rewards.reward import Reward
from web.forms import Form, read_form, read_query
from web.proving import proves
from web.signing_in import staff

door = Blueprint("rewards_runs", __name__)

MOST_LINES = 1_000
"""of a payout, on its page"""


class ManualRun(Input):
    """Which programme to pay out now."""

    programme_id: str = Field(max_length=26)


class PayoutAct(Input):
    """What to do with a payout that stopped."""

    act: Literal["retry", "take_back", "pay_again", "pay_part_again", "keep"]
    reason: str = Field(default="", max_length=500)


@door.get("/console/payouts")
def runs() -> str:
    """Runs, the next closings, and what stopped."""
    actor = staff(payouts_page.SEE)
    query = read_query(payouts_page.RunsQuery)
    return render_template(
        "console/rewards/payouts.html",
        page=payouts_page.runs_of(actor, query),
        closings=payouts_page.closings(actor, now()),
        stopped=payouts_page.stopped(actor),
        may_run=actor.may("payout.run"),
        form=Form(),
    )


@door.post("/console/payouts")
@proves("payout.run")
def run_by_hand() -> ResponseReturnValue:
    """Finance pays out what is approved up to now."""
    actor, wanted = staff("payout.run"), read_form(ManualRun)
    made = payouts.run_now(get_programme(wanted.programme_id), by=actor)
    if made is None:
        flash(_("There is already a run of this minute."), "wait")
        return redirect("/console/payouts", 303)
    flash(_("The run is made. Its payouts are sent by the clock."), "good")
    return redirect(f"/console/payouts/{made.id}", 303)


@door.get("/console/payouts/calendar")
def calendar() -> str:
    """When periods close, what the next would pay, and what waits and why."""
    actor = staff(payouts_page.SEE)
    return render_template(
        "console/rewards/calendar.html", closings=payout_calendar.calendar(actor, payouts_page.SEE, now())
    )


@door.get("/console/payouts/preview/<id:programme_id>")
def preview(programme_id: str) -> str:
    """Who would get what now, and who would not and why."""
    actor, programme = staff(payouts_page.SEE), get_programme(programme_id)
    authorize(actor, payouts_page.SEE, programme.unit_id)
    found = payout_preview.preview(programme)
    return render_template(
        "console/rewards/preview.html",
        programme=programme,
        found=found,
        would=payout_calendar.outlook(programme),
        people=payouts_page.people_of({owed.membership_id for owed in found.rows}),
        may_run=actor.may("payout.run", programme.unit_id),
        form=Form(),
    )


@door.get("/console/payouts/<id:run_id>")
def run_page(run_id: str) -> str:
    """Who gets what, who does not and why, and how far it is."""
    actor, run = staff(payouts_page.SEE), get_run(run_id)
    authorize(actor, payouts_page.SEE, run.unit_id)
    paid, skipped = payouts_page.payouts_in(run.id), payouts_page.skips_in(run.id)
    members = {each.membership_id for each in paid} | {each.membership_id for each in skipped}
    return render_template(
        "console/rewards/run.html",
        run=run,
        programme=get_programme(run.programme_id),
        payouts=paid,
        skips=skipped,
        people=payouts_page.people_of(members),
        row=payouts_page.row_of(run),
        files=[(each, bank_files.open_in(each)) for each in bank_files.files_of(run.id)],
        unfiled=bank_files.unfiled(run.id),
        may_run=actor.may("payout.run", run.unit_id),
        form=Form(),
    )


@door.get("/console/payouts/items/<id:payout_id>")
def payout_page(payout_id: str) -> str:
    """One payout: its lines, its attempts, what can be done."""
    actor, payout = staff(payouts_page.SEE), payout_decisions.get_payout(payout_id)
    authorize(actor, payouts_page.SEE, payout.unit_id)
    attempts = select(PayoutAttempt).where(PayoutAttempt.payout_id == payout.id)
    lines = select(Reward).where(Reward.payout_id == payout.id).order_by(col(Reward.id)).limit(MOST_LINES)
    return render_template(
        "console/rewards/payout.html",
        payout=payout,
        run=get_run(payout.run_id),
        people=payouts_page.people_of({payout.membership_id}),
        attempts=session().exec(attempts.order_by(col(PayoutAttempt.number))).all(),
        lines=(found := session().exec(lines).all()),
        orders=rewards_page.orders_of(found),
        may_run=actor.may("payout.run", payout.unit_id),
        form=Form(),
    )


@door.post("/console/payouts/items/<id:payout_id>")
@proves("payout.run")
def act_on_payout(payout_id: str) -> ResponseReturnValue:
    """Finance sends again, or takes the money back."""
    actor, payout = staff(payouts_page.SEE), payout_decisions.get_payout(payout_id)
    authorize(actor, "payout.run", payout.unit_id)
    wanted = read_form(PayoutAct)
    if wanted.act == "retry":
        payout_decisions.retry(payout, by=actor)
        flash(_("It is sent again by the clock."), "good")
    elif wanted.act == "pay_again":
        payout_decisions.pay_again(payout, by=actor)
        flash(_("It is owed again, and waits for the next run."), "good")
    elif wanted.act == "pay_part_again":
        payout_decisions.pay_part_again(payout, by=actor)
        flash(_("It is owed again, and waits for the next run."), "good")
    elif wanted.act == "keep":
        payout_decisions.keep(payout, by=actor, reason=wanted.reason)
        flash(_("Its rewards are taken back."), "good")
    else:
        payout_decisions.take_back(payout, by=actor)
        flash(_("Taken back: its lines wait for the next run."), "good")
    return redirect(f"/console/payouts/items/{payout.id}", 303)
