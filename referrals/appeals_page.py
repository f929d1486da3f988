"""Doors for appeals: an advocate asks for a second look at a conversion, and staff answer."""

from typing import Literal

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field
from sqlmodel import col, select

from advocates.membership import Membership, get_membership
from core.access import Actor, authorize
from core.db import session
from core.inputs import Input
from core.money import Money
from core.paging import page_of
from core.people import Person, get_person
from referrals.conversions import appeals
from referrals.conversions.appeals import DECIDE, Appeal, State
from referrals.conversions.conversion_rows import Conversion
from referrals.conversions.conversions import candidates_of
from referrals.conversions.narrowing import narrowed
from referrals.conversions.yours import verdict_of
from referrals.fraud.fraud_cases import under_review
from referrals.links.links import Link
from rewards.explanations import name_of
from rewards.reward import rewards_of_conversion
from rewards.rules import caps, rate_waits
from web.forms import Form, read_form, read_query
from web.signing_in import advocate, me, staff

door = Blueprint("referrals_appeals", __name__)


class Words(Input):
    """Why it should be theirs."""

    words: str = Field(default="", max_length=appeals.MOST_WORDS)


class AppealsQuery(Input):
    """Which appeals to show; without a state those that wait."""

    state: State | Literal["all"] = "open"
    after: str | None = Field(default=None, max_length=1_000)


class Answer(Input):
    """What becomes of an appeal, and why."""

    act: Literal["grant", "reject"]
    reason: str = Field(default="", max_length=500)


@door.get("/portal/conversions/<id:conversion_id>")
def my_conversion(conversion_id: str) -> str:
    """A conversion that is or might have been the advocate's: why, what it earned, and the one appeal."""
    member = advocate()
    conversion, candidates = appeals.seen_by(member, conversion_id)
    mine = [each for each in rewards_of_conversion(conversion.id) if each.membership_id == member.id]
    return render_template(
        "portal/referrals/conversion.html",
        conversion=conversion,
        is_mine=conversion.membership_id == member.id,
        candidates=candidates,
        verdict=verdict_of,
        rate_wait=rate_waits.wait_of(conversion.id),
        used_up=caps.used_up(conversion),
        rewards=mine,
        in_review=under_review(conversion.id) and conversion.membership_id == member.id,
        appeal=appeals.find_appeal(conversion.id, member.id),
        why_not=appeals.why_not(member, conversion),
        money=Money,
        form=Form(),
    )


@door.post("/portal/conversions/<id:conversion_id>")
def ask(conversion_id: str) -> ResponseReturnValue:
    """Ask for a second look, once."""
    member, wanted = advocate(), read_form(Words)
    appeals.appeal(member, conversion_id, words=wanted.words, by=me().actor)
    flash(_("Thank you. A person looks at it and answers here within a week."), "good")
    return redirect(f"/portal/conversions/{conversion_id}", 303)


@door.get("/console/appeals")
def list_appeals() -> str:
    """What advocates ask for, the newest first."""
    actor, query = staff(DECIDE), read_query(AppealsQuery)
    wanted = select(Appeal).where(col(Appeal.unit_id).in_(actor.units_for(DECIDE)))
    if query.state != "all":
        wanted = wanted.where(Appeal.state == query.state)
    page = page_of(wanted, (col(Appeal.id), "id"), after=query.after)
    about = (
        select(Appeal.id, Conversion, Membership, Person)
        .join(Conversion, col(Conversion.id) == col(Appeal.conversion_id))
        .join(Membership, col(Membership.id) == col(Appeal.membership_id))
        .join(Person, col(Person.id) == col(Membership.person_id))
        .where(col(Appeal.id).in_([each.id for each in page.items]))
    )
    found = {key: (order, member, person) for key, order, member, person in session().exec(about)}
    return render_template("console/referrals/appeals.html", query=query, page=page, found=found, money=Money)


@door.get("/console/appeals/<id:appeal_id>")
def show_appeal(appeal_id: str) -> str:
    """One appeal: the advocate's words, whose it might have been, and the answer."""
    actor, asked = _seen(appeal_id)
    order, member = session().get_one(Conversion, asked.conversion_id), get_membership(asked.membership_id)
    units = actor.units_for(DECIDE)
    candidates = narrowed([order], candidates_of([order.id]), units)[order.id].candidates
    codes = select(Link.id, Link.code).where(col(Link.id).in_([each.link_id for each in candidates]))
    holder = get_membership(order.membership_id) if order.membership_id else None
    shown = [get_membership(each.membership_id) for each in candidates if each.membership_id]
    return render_template(
        "console/referrals/appeal.html",
        asked=asked,
        conversion=order,
        owner=(member, get_person(member.person_id)),
        holder=(holder, get_person(holder.person_id)) if holder and holder.unit_id in units else None,
        candidates=candidates,
        owners={each.id: (each, get_person(each.person_id)) for each in shown},
        codes=dict(session().exec(codes).all()),
        decided_by=name_of(asked.decided_by) if asked.decided_by else "",
        is_own=actor.person_id == member.person_id,
        decided_before=asked.state == "open" and appeals.decided_before(asked, actor.id),
        money=Money,
        form=Form(),
    )


@door.post("/console/appeals/<id:appeal_id>")
def answer(appeal_id: str) -> ResponseReturnValue:
    """Grant it or reject it, with a reason."""
    actor, asked = _seen(appeal_id)
    wanted = read_form(Answer)
    if wanted.act == "grant":
        appeals.grant(asked, by=actor, reason=wanted.reason)
        flash(_("Granted: the conversion is the advocate’s, and its rewards with it."), "good")
    else:
        appeals.reject(asked, by=actor, reason=wanted.reason)
        flash(_("Rejected. The advocate sees your reason."), "good")
    return redirect(f"/console/appeals/{asked.id}", 303)


def _seen(appeal_id: str) -> tuple[Actor, Appeal]:
    actor, asked = staff(DECIDE), appeals.get_appeal(appeal_id)
    authorize(actor, DECIDE, asked.unit_id)
    return actor, asked
