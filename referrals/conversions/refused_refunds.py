"""Refunds that waited for their sale and could not be one of it: people are asked to settle it with the shop."""

from typing import Literal

from sqlmodel import col, select

from core import audit
from core.access import Actor, authorize
from core.db import session
from core.money import Money
from hub import actions
from hub.actions import Action
from referrals.conversions.conversion_rows import Conversion, Refund

LOOK, SETTLE = "refund.look", "conversion.import"
LOOK_WITHIN_DAYS = 5


Unfit = Literal["lead", "currency", "too much"]
"""why a refund cannot be one of a conversion"""
_IS: dict[Unfit, str] = {
    "lead": "names the lead",
    "currency": "is in another currency than",
    "too much": "is more than was left of",
}


def ask_to_look(refund: Refund, conversion: Conversion, unfit: Unfit) -> None:
    """Put the sale on the list of its unit; several refunds of one are looked at together."""
    currency = refund.currency or conversion.currency  # of a lead without an amount nobody may have said one
    money = f" of {Money(refund.amount_minor, currency).format()}" if currency else ""
    why = f"Refund {refund.external_id}{money} {_IS[unfit]} {conversion.external_id}"
    actions.ask(
        LOOK,
        conversion.id,
        _where(conversion),
        right=SETTLE,
        summary=f"{why}: nothing was taken off",
        due_at=actions.due_in(LOOK_WITHIN_DAYS),
    )


def wait_for(conversion: Conversion, actor: Actor) -> bool:
    """Whether refused refunds of a sale wait for somebody who may do what the actor may."""
    asked = select(Action.id).where(
        Action.kind == LOOK, Action.subject_id == conversion.id, col(Action.done_at).is_(None)
    )
    return actor.may(SETTLE, _where(conversion)) and session().exec(asked).first() is not None


def settle(conversion: Conversion, *, by: Actor) -> None:
    """It was settled with the shop; again: nothing. Raises NotFound or Forbidden by unit."""
    authorize(by, SETTLE, _where(conversion))
    if wait_for(conversion, by):
        actions.done(LOOK, conversion.id, by=by)
        audit.record(by, "refund.looked_at", "conversion", conversion.id, unit_id=_where(conversion))


def one_less(conversion: Conversion, *, by: Actor) -> None:
    """A shop took a refused refund back: nobody has to look any more, once none is left."""
    refused = select(Refund.id).where(Refund.conversion_id == conversion.id, Refund.state == "refused")
    if session().exec(refused).first() is None:
        actions.done(LOOK, conversion.id, by=by)


def _where(conversion: Conversion) -> str:
    return conversion.earning_unit_id or conversion.unit_id
