"""Doors for staff: the links of their units, what each brought, changing one, and all of them as a file."""

from dataclasses import replace

from flask import Blueprint, Response, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlmodel import col

from core import audit
from core.access import Actor, authorize
from core.clock import now
from core.db import session
from core.paging import page_of
from core.spreadsheets import CSV
from hub.programmes import get_programme, programmes_in
from referrals.answers import brought_by
from referrals.clicks.link_referrers import sources_of
from referrals.link_figures_page import SpanQuery, charts_of
from referrals.links import link_list, links
from referrals.links.link_changes import change_link, terms_of
from referrals.links.link_figures import SPANS, figures_of
from referrals.links.link_list import LinksQuery
from referrals.links.links import Link, LinkNotFound, address_of
from referrals.links.links_input import StaffLinkChange, as_typed, last_day_of, terms_in
from referrals.links.owners import owners_of
from referrals.qr_page import picture_of
from web.forms import Form, read_form, read_query
from web.requests import writes_on_get
from web.signing_in import staff

door = Blueprint("referrals_links", __name__)


@door.get("/console/links")
def list_links() -> str:
    """The links of the actor's units, the newest first."""
    actor, query = staff("link.see"), read_query(LinksQuery)
    seen = actor.units_for("link.see")
    page = page_of(link_list.wanted_by(query, seen), (col(Link.id), "id"), after=query.after)
    return render_template(
        "console/referrals/links.html",
        page=page,
        query=query,
        programmes={each.id: each for each in programmes_in(seen)},
        owners=owners_of((link.membership_id for link in page.items), seen),
        brought=brought_by([link.id for link in page.items]),
        may_end=actor.units_for("link.manage"),
        last_day=last_day_of,
        at=now(),
    )


@door.get("/console/links.csv")
@writes_on_get
def links_file() -> Response:
    """What the list shows, every page of it, as CSV; that it was taken is on the audit log."""
    actor, query = staff("link.see"), read_query(LinksQuery)
    number, content = link_list.as_file(query, actor.units_for("link.see"))
    asked = query.model_dump(exclude={"after"}, exclude_defaults=True)
    audit.record(actor, "links.exported", "link", "", details={"rows": number, "asked": asked})
    headers = {"Content-Disposition": "attachment; filename=links.csv"}
    return Response(content, content_type=CSV, headers=headers)


@door.get("/console/links/<id:link_id>")
def show_link(link_id: str) -> str:
    """One link: whose it is, what it brought by day, and what can be changed of it."""
    actor = staff("link.see")
    link, query = _seen(link_id, actor, "link.see"), read_query(SpanQuery)
    programme, found = get_programme(link.programme_id), figures_of(link.id, int(query.days))
    brought = brought_by([link.id])[link.id]
    return render_template(
        "console/referrals/link.html",
        link=link,
        programme=programme,
        owner_of=owners_of([link.membership_id], actor.units_for("link.see")),
        address=address_of(link),
        last_day=last_day_of,
        brought=brought,
        sources=sources_of(link.id, brought.clicks),
        found=found,
        charts=charts_of(found),
        span=int(query.days),
        spans=SPANS,
        manage=actor.may("link.manage", link.unit_id),
        at=now(),
        form=Form(as_typed(link)),
    )


@door.post("/console/links/<id:link_id>")
def change(link_id: str) -> ResponseReturnValue:
    """Another destination, campaign, coupon, first or last day."""
    actor = staff("link.manage")
    link, typed = _seen(link_id, actor, "link.manage"), read_form(StaffLinkChange)
    change_link(link, terms_in(typed, link), by=actor, seen_version=typed.version)
    flash(_("Saved. Visitors are sent there from now on."), "good")
    return redirect(f"/console/links/{link.id}", 303)


@door.post("/console/links/<id:link_id>/coupon/take-off")
def take_coupon_off(link_id: str) -> ResponseReturnValue:
    """A link loses its coupon, also one that has ended."""
    actor = staff("link.manage")
    link = _seen(link_id, actor, "link.manage")
    change_link(link, replace(terms_of(link), coupon=None), by=actor, seen_version=link.version)
    flash(_("The coupon is taken off. What was sold with it before stays."), "good")
    return redirect(f"/console/links/{link.id}", 303)


@door.post("/console/links/<id:link_id>/end")
def end_link(link_id: str) -> ResponseReturnValue:
    """A link is ended by staff."""
    actor = staff("link.manage")
    link = _seen(link_id, actor, "link.manage")
    links.end_link(link, by=actor)
    flash(_("The link %(code)s has ended and forwards nobody any more.", code=link.code), "good")
    return redirect("/console/links", 303)


@door.get("/console/links/<id:link_id>/qr.svg")
def qr_svg(link_id: str) -> Response:
    """The link as a QR code, for print."""
    return picture_of(_seen(link_id, staff("link.see"), "link.see"), "svg")


@door.get("/console/links/<id:link_id>/qr.png")
def qr_png(link_id: str) -> Response:
    """The same, for slides and messengers."""
    return picture_of(_seen(link_id, staff("link.see"), "link.see"), "png")


def _seen(link_id: str, actor: Actor, action: str) -> Link:
    link = session().get(Link, link_id)
    if link is None:
        raise LinkNotFound
    authorize(actor, action, link.unit_id)
    return link
