"""Doors for staff: rewards to decide about."""

from typing import Annotated, Literal

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from pydantic import Field, StringConstraints

from core.access import Actor, authorize
from core.inputs import Input
from core.money import Money
from hub.programmes import programmes_in
from rewards import everything_page, rewards_page
from rewards.approvals import approvals, second_looks
from rewards.approvals.approvals import Approved, Seen
from rewards.explanations import explain
from rewards.reward import Reward, get_reward
from rewards.rewards_page import RewardsQuery
from rewards.taking_back import write_offs
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
    actor, query = staff(rewards_page.SEE), read_query(RewardsQuery)
    return render_template(
        "console/rewards/all.html", query=query, found=everything_page.everything(query, actor), form=Form()
    )


@door.post("/console/rewards/all")
@proves("reward.see")
def approve_everything() -> ResponseReturnValue:
    """Approve what was shown: all of it or nothing."""
    actor, query, seen = staff(rewards_page.SEE), read_query(RewardsQuery), read_form(SeenAll)
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
        money=Money,
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
