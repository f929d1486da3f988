"""Doors for staff: rewards to decide about, payouts to look after."""

from typing import Annotated, Literal

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from pydantic import Field, StringConstraints
from sqlmodel import col, select

from core.access import Actor, authorize
from core.clock import now
from core.db import session
from core.inputs import Input
from hub.programmes import get_programme, programmes_in
from rewards import (
    approvals,
    bank_files,
    everything_page,
    payout_calendar,
    payout_decisions,
    payout_preview,
    payouts,
    payouts_page,
    rewards_page,
    second_looks,
    write_offs,
)
from rewards.approvals import Approved, Seen
from rewards.explanations import explain
from rewards.payouts_page import get_run
from rewards.reward import Reward, get_reward
from rewards.rewards_page import RewardsQuery
from rewards.runs import PayoutAttempt
from web.formats import money
from web.forms import Form, read_form, read_query
from web.proving import proves
from web.signing_in import staff

door = Blueprint("rewards_console", __name__)

Pick = Annotated[str, StringConstraints(pattern=r"^[0-9a-hjkmnp-tv-z]{26}:[0-9a-f]{64}$")]


class Bulk(Input):
    """What to do with the picked rewards, each with the hash of what was shown."""

    act: Literal["approve", "deny"]
    picked: list[Pick] = Field(default_factory=list, max_length=approvals.MOST_PICKED)
    reason: str = Field(default="", max_length=500)


class SeenAll(Input):
    """The digest of everything that was shown."""

    digest: str = Field(pattern="^[0-9a-f]{64}$")


class Decision(Input):
    """What to do with one reward."""

    act: Literal["approve", "deny", "hold", "release", "undo"]
    content_hash: str = Field(default="", max_length=64)
    reason: str = Field(default="", max_length=500)


class WriteOffAct(Input):
    """Ask for it, or answer."""

    act: Literal["ask", "confirm", "refuse"]
    reason: str = Field(default="", max_length=500)


class ManualRun(Input):
    """Which programme to pay out now."""

    programme_id: str = Field(max_length=26)


class PayoutAct(Input):
    """What to do with a payout that stopped."""

    act: Literal["retry", "take_back", "pay_again", "pay_part_again", "keep"]
    reason: str = Field(default="", max_length=500)


@door.get("/console/rewards")
def queue() -> str:
    """What waits for a decision, with the arithmetic of each."""
    actor, query = staff(rewards_page.SEE), read_query(RewardsQuery)
    page = rewards_page.rewards_of(actor, query)
    return render_template(
        "console/rewards/queue.html",
        query=query,
        page=page,
        rows=rewards_page.rows(page.items),
        sums=rewards_page.sums(actor),
        programmes=programmes_in(actor.units_for(rewards_page.SEE)),
        may_decide=actor.may(approvals.APPROVE) or actor.may(approvals.APPROVE_SECOND),
        waits_for_second=approvals.waits_for_second,
        form=Form(),
    )


@door.post("/console/rewards")
@proves("reward.see", "approve")
def decide_many() -> ResponseReturnValue:
    """Approve or deny what was picked: all of it or nothing."""
    actor, bulk = staff(rewards_page.SEE), read_form(Bulk)
    picked = [Seen(*each.split(":")) for each in dict.fromkeys(bulk.picked)]
    if bulk.act == "approve":
        _say(approvals.approve(picked, by=actor))
    else:
        approvals.deny_many(picked, by=actor, reason=bulk.reason)
        flash(ngettext("%(num)s reward denied.", "%(num)s rewards denied.", len(picked)), "good")
    return redirect("/console/rewards", 303)


@door.get("/console/rewards/all")
def show_everything() -> str:
    """Everything that the filters fit, as sums, before it is approved."""
    actor, query = staff(approvals.APPROVE), read_query(RewardsQuery)
    return render_template(
        "console/rewards/all.html", query=query, found=everything_page.everything(query, actor), form=Form()
    )


@door.post("/console/rewards/all")
@proves(approvals.APPROVE)
def approve_everything() -> ResponseReturnValue:
    """Approve what was shown: all of it or nothing."""
    actor, query, seen = staff(approvals.APPROVE), read_query(RewardsQuery), read_form(SeenAll)
    _say(everything_page.approve_everything(query, seen.digest, by=actor))
    return redirect("/console/rewards", 303)


def _say(done: Approved) -> None:
    if done.payable:
        total = " + ".join(money(each) for each in done.totals())
        count = len(done.payable)
        flash(
            ngettext(
                "%(num)s reward approved, %(total)s.",
                "%(num)s rewards approved, %(total)s.",
                count,
                total=total,
            ),
            "good",
        )
    if done.waiting:
        count = len(done.waiting)
        flash(
            ngettext("%(num)s waits for a second person.", "%(num)s wait for a second person.", count), "wait"
        )


@door.get("/console/rewards/<id:reward_id>")
def reward_page(reward_id: str) -> str:
    """One line, explained."""
    actor, reward = _seen(reward_id)
    return render_template(
        "console/rewards/reward.html",
        why=explain(reward),
        write_off=write_offs.open_of(reward.id),
        may_write_off=actor.may(write_offs.RIGHT, reward.unit_id),
        appeal=second_looks.asked_of(reward.id),
        may_answer=actor.may(second_looks.RIGHT, reward.unit_id),
        me_id=actor.id,
        may_decide=actor.may(approvals.APPROVE, reward.unit_id),
        may_second=actor.may(approvals.APPROVE_SECOND, reward.unit_id),
        form=Form(),
    )


@door.post("/console/rewards/<id:reward_id>")
@proves("reward.see", "approve")
def decide(reward_id: str) -> ResponseReturnValue:
    """Approve, deny, hold, release or undo one."""
    actor, reward = _seen(reward_id)
    decision = read_form(Decision)
    if decision.act == "approve":
        _say(approvals.approve([Seen(reward.id, decision.content_hash)], by=actor))
    elif decision.act == "deny":
        approvals.deny(reward, by=actor, reason=decision.reason)
        flash(_("Denied. The advocate sees the reason."), "good")
    elif decision.act == "hold":
        approvals.hold(reward, by=actor, reason=decision.reason)
        flash(_("Held for review."), "wait")
    elif decision.act == "release":
        approvals.release(reward, by=actor)
        waits = _("Released: it waits out its hold.") if reward.state == "pending" else ""
        flash(waits or _("Released: it waits for approval."), "good")
    else:
        approvals.undo(reward, by=actor)
        flash(_("The approval was taken back."), "good")
    return redirect(f"/console/rewards/{reward.id}", 303)


@door.post("/console/rewards/<id:reward_id>/write-off")
@proves(write_offs.RIGHT)
def write_off(reward_id: str) -> ResponseReturnValue:
    """Ask that a line that takes back be written off, or answer as the second person."""
    actor, reward = _seen(reward_id)
    wanted = read_form(WriteOffAct)
    if wanted.act == "ask":
        write_offs.ask(reward, by=actor, reason=wanted.reason)
        flash(_("Asked: a second person has to agree."), "wait")
    elif wanted.act == "confirm":
        write_offs.confirm(reward, by=actor)
        flash(_("Written off."), "good")
    else:
        write_offs.refuse(reward, by=actor)
        flash(_("It stays as it is."), "good")
    return redirect(f"/console/rewards/{reward.id}", 303)


class AppealAnswer(Input):
    """What becomes of a second look, and why."""

    act: Literal["grant", "reject"]
    reason: str = Field(default="", max_length=500)


@door.post("/console/rewards/<id:reward_id>/second-look")
def answer_second_look(reward_id: str) -> ResponseReturnValue:
    """Answer an advocate who asked for a second look at a denied reward."""
    actor, reward = _seen(reward_id)
    wanted = read_form(AppealAnswer)
    if wanted.act == "grant":
        second_looks.grant(reward, by=actor, reason=wanted.reason)
        flash(_("It waits for approval again."), "good")
    else:
        second_looks.reject(reward, by=actor, reason=wanted.reason)
        flash(_("It stays denied. The advocate reads your reason."), "good")
    return redirect(f"/console/rewards/{reward.id}", 303)


def _seen(reward_id: str) -> tuple[Actor, Reward]:
    actor, reward = staff(rewards_page.SEE), get_reward(reward_id)
    authorize(actor, rewards_page.SEE, reward.unit_id)
    return actor, reward


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
    lines = (
        select(Reward)
        .where(Reward.payout_id == payout.id)
        .order_by(col(Reward.id))
        .limit(approvals.MOST_PICKED)
    )
    return render_template(
        "console/rewards/payout.html",
        payout=payout,
        run=get_run(payout.run_id),
        people=payouts_page.people_of({payout.membership_id}),
        attempts=session().exec(attempts.order_by(col(PayoutAttempt.number))).all(),
        lines=session().exec(lines).all(),
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
