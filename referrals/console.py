"""Doors for staff: conversions with the reasons why they are whose they are."""

from typing import Any, Literal

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field
from sqlalchemy import ColumnElement, or_
from sqlmodel import col, select

from core.access import Actor
from core.db import session
from core.inputs import Input
from core.money import Money
from core.paging import page_of
from referrals.conversions import refused_refunds
from referrals.conversions.conversions import Conversion, candidates_of
from referrals.conversions.narrowing import narrowed
from referrals.conversions.refunds import refunds_of
from referrals.conversions.refused_refunds import SETTLE
from referrals.conversions.seen import conversions_in, seen_conversion
from referrals.conversions.waiting import waits_until
from referrals.fraud.fraud_cases import SEE, FraudCase, cases_of
from referrals.links.links import Link
from referrals.links.owners import has, members_named, owners_of
from rewards.reward import rewards_of_conversion
from rewards.rules import caps, rate_waits
from web.forms import read_query
from web.signing_in import staff

door = Blueprint("referrals_console", __name__)


class ConversionsQuery(Input):
    """Which conversions to show."""

    q: str = Field(default="", max_length=200)
    kind: Literal["", "lead", "sale"] = ""
    whose: Literal["", "somebody", "nobody"] = ""
    after: str | None = Field(default=None, max_length=1_000)


@door.get("/console/conversions")
def list_conversions() -> str:
    """The conversions that the actor's units brought or won, the newest first."""
    actor, query = staff("conversion.see"), read_query(ConversionsQuery)
    wanted = select(Conversion).where(
        conversions_in(actor.units_for("conversion.see")), *_conversions_asked(query)
    )
    page = page_of(wanted, (col(Conversion.id), "id"), after=query.after)
    return render_template(
        "console/referrals/conversions.html",
        page=page,
        query=query,
        owners=owners_of((each.membership_id for each in page.items), actor.units_for("conversion.see")),
        amount=amount_of,
    )


@door.get("/console/conversions/<id:conversion_id>")
def show_conversion(conversion_id: str) -> str:
    """One conversion: everybody whose it might have been, the reasons, the refunds."""
    actor = staff("conversion.see")
    conversion = seen_conversion(conversion_id, actor, "conversion.see")
    units = actor.units_for("conversion.see")
    seen = narrowed([conversion], candidates_of([conversion.id]), units)[conversion.id]
    refunds = refunds_of(conversion.id)
    earned = [each for each in rewards_of_conversion(conversion.id) if actor.may("reward.see", each.unit_id)]
    codes = select(Link.id, Link.code).where(col(Link.id).in_([each.link_id for each in seen.candidates]))
    named = [each.membership_id for each in seen.candidates] + [each.membership_id for each in earned]
    return render_template(
        "console/referrals/conversion.html",
        conversion=conversion,
        reason=seen.reason,
        shared=seen.shared,
        candidates=seen.candidates,
        cases=_cases_seen(conversion, actor),
        rate_wait=rate_waits.wait_of(conversion.id),
        used_up=caps.used_up(conversion),
        waits_until=waits_until(conversion.id, conversion.received_at),
        refunds=refunds,
        may_settle=refused_refunds.wait_for(conversion, actor),
        codes=dict(session().exec(codes).all()),
        earned=earned,
        owners=owners_of(named, units),
        amount=amount_of(conversion),
        money=lambda minor, currency="": Money(minor, currency or conversion.currency),
    )


@door.post("/console/conversions/<id:conversion_id>/refused-refunds")
def settle_refused(conversion_id: str) -> ResponseReturnValue:
    """The shop was asked about refunds that were refused: they wait no longer."""
    actor = staff(SETTLE)
    conversion = seen_conversion(conversion_id, actor, SETTLE)
    refused_refunds.settle(conversion, by=actor)
    flash(_("Off the list."), "good")
    return redirect(f"/console/conversions/{conversion.id}#refunds", 303)


def _cases_seen(conversion: Conversion, actor: Actor) -> list[FraudCase]:
    return [each for each in cases_of([conversion.id]) if actor.may(SEE, each.unit_id)]


def amount_of(conversion: Conversion) -> Money | None:
    """What a conversion is about; None for a lead without an amount."""
    return Money(conversion.amount_minor, conversion.currency) if conversion.currency else None


def _conversions_asked(query: ConversionsQuery) -> list[ColumnElement[bool]]:
    asked: list[Any] = []
    if query.q:
        named = col(Conversion.membership_id).in_(members_named(query.q))
        asked.append(or_(has(col(Conversion.external_id), query.q), named))
    if query.kind:
        asked.append(col(Conversion.kind) == query.kind)
    if query.whose:
        nobody = col(Conversion.membership_id).is_(None)
        asked.append(nobody if query.whose == "nobody" else ~nobody)
    return asked
