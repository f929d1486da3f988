"""Doors for staff: the links of their units, and conversions with the reasons why they are whose they are."""

from collections.abc import Iterable
from typing import Any, Literal

from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field
from sqlalchemy import ColumnElement, or_
from sqlmodel import col, func, select

from advocates.membership import Membership
from core.access import Actor, authorize
from core.clock import now
from core.db import session
from core.inputs import Input
from core.money import Money
from core.paging import page_of
from core.people import Person
from hub.programmes import programmes_in
from referrals import links
from referrals.answers import brought_by
from referrals.conversions import Conversion, candidates_of
from referrals.fraud_cases import SEE, FraudCase, cases_of
from referrals.links import Link, LinkNotFound
from referrals.narrowing import narrowed
from referrals.refunds import refunds_of
from referrals.seen import conversions_in, seen_conversion
from web.forms import read_query
from web.signing_in import staff

door = Blueprint("referrals_console", __name__)


class LinksQuery(Input):
    """Which links to show."""

    q: str = Field(default="", max_length=200)
    programme: str = Field(default="", max_length=100)
    state: Literal["", "runs", "ended"] = ""
    after: str | None = Field(default=None, max_length=1_000)


class ConversionsQuery(Input):
    """Which conversions to show."""

    q: str = Field(default="", max_length=200)
    kind: Literal["", "lead", "sale"] = ""
    whose: Literal["", "somebody", "nobody"] = ""
    after: str | None = Field(default=None, max_length=1_000)


@door.get("/console/links")
def list_links() -> str:
    """The links of the actor's units, the newest first."""
    actor, query = staff("link.see"), read_query(LinksQuery)
    programmes = programmes_in(actor.units_for("link.see"))
    wanted = select(Link).where(col(Link.unit_id).in_(actor.units_for("link.see")), *_links_asked(query))
    page = page_of(wanted, (col(Link.id), "id"), after=query.after)
    return render_template(
        "console/referrals/links.html",
        page=page,
        query=query,
        programmes={each.id: each for each in programmes},
        owners=_owners((link.membership_id for link in page.items), actor.units_for("link.see")),
        brought=brought_by([link.id for link in page.items]),
        may_end=actor.units_for("link.manage"),
        at=now(),
    )


@door.post("/console/links/<id:link_id>/end")
def end_link(link_id: str) -> ResponseReturnValue:
    """A link is ended by staff."""
    actor, link = staff("link.manage"), session().get(Link, link_id)
    if link is None:
        raise LinkNotFound
    authorize(actor, "link.manage", link.unit_id)
    links.end_link(link, by=actor)
    flash(_("The link %(code)s has ended and forwards nobody any more.", code=link.code), "good")
    return redirect("/console/links", 303)


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
        owners=_owners((each.membership_id for each in page.items), actor.units_for("conversion.see")),
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
    codes = select(Link.id, Link.code).where(col(Link.id).in_([each.link_id for each in seen.candidates]))
    return render_template(
        "console/referrals/conversion.html",
        conversion=conversion,
        reason=seen.reason,
        candidates=seen.candidates,
        cases=_cases_seen(conversion, actor),
        refunds=refunds,
        codes=dict(session().exec(codes).all()),
        owners=_owners((each.membership_id for each in seen.candidates), units),
        amount=amount_of(conversion),
        money=lambda minor: Money(minor, conversion.currency),
    )


def _cases_seen(conversion: Conversion, actor: Actor) -> list[FraudCase]:
    return [each for each in cases_of([conversion.id]) if actor.may(SEE, each.unit_id)]


def amount_of(conversion: Conversion) -> Money | None:
    """What a conversion is about; None for a lead without an amount."""
    return Money(conversion.amount_minor, conversion.currency) if conversion.currency else None


def _links_asked(query: LinksQuery) -> list[ColumnElement[bool]]:
    asked: list[Any] = []
    if query.q:
        named = select(Membership.id).where(
            Membership.person_id == Person.id, _has(col(Person.name), query.q)
        )
        asked.append(or_(_has(col(Link.code), query.q), col(Link.membership_id).in_(named)))
    if query.programme:
        asked.append(col(Link.programme_id) == query.programme)
    if query.state:
        ended = col(Link.ends_at) <= now()
        asked.append(ended if query.state == "ended" else or_(col(Link.ends_at).is_(None), ~ended))
    return asked


def _conversions_asked(query: ConversionsQuery) -> list[ColumnElement[bool]]:
    asked: list[Any] = []
    if query.q:
        named = select(Membership.id).where(
            Membership.person_id == Person.id, _has(col(Person.name), query.q)
        )
        asked.append(
            or_(_has(col(Conversion.external_id), query.q), col(Conversion.membership_id).in_(named))
        )
    if query.kind:
        asked.append(col(Conversion.kind) == query.kind)
    if query.whose:
        nobody = col(Conversion.membership_id).is_(None)
        asked.append(nobody if query.whose == "nobody" else ~nobody)
    return asked


def _has(column: Any, words: str) -> ColumnElement[bool]:  # noqa: ANN401 - a text column
    contains: ColumnElement[bool] = func.lower(column).contains(words.lower(), autoescape=True)
    return contains


def _owners(ids: Iterable[str | None], units: frozenset[str]) -> dict[str, tuple[Membership, Person]]:
    """Membership → the member and the person, of these units only: others stay unnamed."""
    wanted = select(Membership, Person).where(
        Membership.person_id == Person.id,
        col(Membership.id).in_([each for each in ids if each]),
        col(Membership.unit_id).in_(units),
    )
    return {member.id: (member, person) for member, person in session().exec(wanted)}
