"""Doors for advocates: their links, what each brought, words to share them with, and what is missing to earn."""

import io
from typing import Annotated

import segno
from flask import Blueprint, Response, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import Field
from pydantic.types import StringConstraints
from sqlmodel import col, select

from advocates.membership import Membership
from core.access import Actor
from core.clock import now
from core.db import session
from core.inputs import Input
from core.money import Money
from core.settings import settings
from hub import policies
from hub.programmes import get_programme
from referrals import links, sharekit
from referrals.answers import brought_by
from referrals.conversion_rows import AttributionCandidate, Conversion
from referrals.links import Link, LinkNotFound
from referrals.rights import right_to_earn
from web.forms import read_form
from web.signing_in import advocate, me

door = Blueprint("referrals_portal", __name__)

SHOWN_CONVERSIONS = 20
SVG = "image/svg+xml"


class NewLink(Input):
    """A further link of one's own."""

    code: Annotated[str, StringConstraints(max_length=40)] | None = None
    destination: Annotated[str, StringConstraints(max_length=2_000)] | None = None
    campaign: str = Field(default="", max_length=60, pattern=r"^[\w .-]*$")


@door.get("/portal/links")
def my_links() -> str:
    """The links with what they brought, the share kit, and what is missing where something is."""
    member = advocate()
    programme, held = get_programme(member.programme_id), links.links_of(member.id)
    running = [link for link in held if link.runs_at(now())]
    right = right_to_earn(member.id, now())
    return render_template(
        "portal/referrals/links.html",
        programme=programme,
        links=held,
        running=running,
        brought=brought_by([link.id for link in held]),
        address=address_of,
        at=now(),
        missing=right.missing,
        unread=policies.unacknowledged(member.person_id, programme.id, now()),
        kit=sharekit.share_kit(programme.name, address_of(running[0])) if running else (),
        conversions=_recent(member),
        amount=_amount,
        share=lambda conversion, mine: Money(mine.share_minor, conversion.currency),
    )


@door.post("/portal/links")
def open_link() -> ResponseReturnValue:
    """A further link."""
    member, wanted = advocate(), read_form(NewLink)
    link = links.open_link(
        member,
        by=_acting(),
        code=wanted.code,
        destination=wanted.destination,
        campaign=wanted.campaign,
    )
    flash(_("Your link %(code)s is ready to be shared.", code=link.code), "good")
    return redirect("/portal/links", 303)


@door.post("/portal/links/<id:link_id>/end")
def end_link(link_id: str) -> ResponseReturnValue:
    """A link is no longer used."""
    link = _mine(link_id)
    links.end_link(link, by=_acting())
    flash(_("The link %(code)s has ended. What it brought stays yours.", code=link.code), "good")
    return redirect("/portal/links", 303)


@door.get("/portal/links/<id:link_id>/qr.svg")
def qr_code(link_id: str) -> Response:
    """The link as a QR code."""
    image = io.BytesIO()
    segno.make(address_of(_mine(link_id)), error="m").save(image, kind="svg", scale=8, border=4)
    answer = Response(image.getvalue(), mimetype=SVG)
    answer.headers["Cache-Control"] = "private, max-age=3600"
    return answer


def address_of(link: Link) -> str:
    """What is shared."""
    return f"{settings().address}/r/{link.code}"


def _mine(link_id: str) -> Link:
    link = session().get(Link, link_id)
    if link is None or link.membership_id != advocate().id:
        raise LinkNotFound
    return link


def _acting() -> Actor:
    return me().actor


def _recent(member: Membership) -> list[tuple[Conversion, AttributionCandidate]]:
    """The latest conversions that were the advocate's or might have been, with the reason."""
    wanted = (
        select(Conversion, AttributionCandidate)
        .where(AttributionCandidate.conversion_id == Conversion.id)
        .where(AttributionCandidate.membership_id == member.id)
        .order_by(col(Conversion.id).desc(), col(AttributionCandidate.won).desc())
    )
    rows = session().exec(wanted.limit(4 * SHOWN_CONVERSIONS)).all()
    once = {conversion.id: (conversion, candidate) for conversion, candidate in reversed(rows)}
    return list(reversed(once.values()))[:SHOWN_CONVERSIONS]


def _amount(conversion: Conversion) -> Money | None:
    return Money(conversion.amount_minor, conversion.currency) if conversion.currency else None
