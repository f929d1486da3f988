"""Doors for staff: what Stripe paid and what we say, side by side, and every difference by name."""

from collections.abc import Sequence

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlmodel import col, select

from core.access import Actor
from core.db import session
from hub.units import all_units
from rewards import payouts_page
from rewards.payouts import reconciliation
from rewards.payouts.reconciliation import (
    ReconciledBalance,
    ReconciledSum,
    Reconciliation,
    ReconciliationDifference,
)
from web.forms import Form
from web.signing_in import staff

door = Blueprint("rewards_reconciliation", __name__)
SHOWN = 1_000


@door.get("/console/payouts/reconciliation")
def page() -> str:
    """The newest comparison, as far as the reader's units go; only the hub sees what belongs to no unit."""
    actor = staff(payouts_page.SEE)
    newest = select(Reconciliation).order_by(col(Reconciliation.id).desc())
    done = session().exec(newest.where(col(Reconciliation.ended_at).is_not(None))).first()
    waits = session().exec(newest.where(col(Reconciliation.ended_at).is_(None))).first()
    return render_template(
        "console/rewards/reconciliation.html",
        done=done,
        waits=waits,
        sums=_sums(done, actor),
        balances=_balances(done, actor),
        differences=_differences(done, actor),
        units={each.id: each.name for each in all_units()},
        may_compare=actor.may(reconciliation.COMPARE),
        form=Form(),
    )


@door.post("/console/payouts/reconciliation")
def compare_now() -> ResponseReturnValue:
    """Finance does not wait for the night."""
    reconciliation.ask_to_compare(by=staff(reconciliation.COMPARE))
    flash(_("The clock compares now. It takes as long as Stripe needs to list the transfers."), "wait")
    return redirect("/console/payouts/reconciliation", 303)


def _seen_units(actor: Actor) -> frozenset[str]:
    units = all_units()
    seen = actor.units_for(payouts_page.SEE)
    return seen | {""} if {each.id for each in units} <= seen else seen


def _sums(done: Reconciliation | None, actor: Actor) -> Sequence[ReconciledSum]:
    if done is None:
        return ()
    own = select(ReconciledSum).where(
        ReconciledSum.reconciliation_id == done.id, col(ReconciledSum.unit_id).in_(_seen_units(actor))
    )
    return session().exec(own.order_by(col(ReconciledSum.currency), col(ReconciledSum.unit_id))).all()


def _balances(done: Reconciliation | None, actor: Actor) -> Sequence[ReconciledBalance]:
    """The platform's balance is nobody's unit's: the hub sees it."""
    if done is None or "" not in _seen_units(actor):
        return ()
    own = select(ReconciledBalance).where(ReconciledBalance.reconciliation_id == done.id)
    return session().exec(own.order_by(col(ReconciledBalance.currency))).all()


def _differences(done: Reconciliation | None, actor: Actor) -> Sequence[ReconciliationDifference]:
    if done is None:
        return ()
    own = select(ReconciliationDifference).where(
        ReconciliationDifference.reconciliation_id == done.id,
        col(ReconciliationDifference.unit_id).in_(_seen_units(actor)),
    )
    return session().exec(own.order_by(col(ReconciliationDifference.id)).limit(SHOWN)).all()
