"""Doors for advocates: their links, what each brought, words to share them with, and what is missing to earn."""

from flask import Blueprint, Response, flash, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlmodel import col

from core.access import Actor
from core.clock import now
from core.db import session
from core.paging import page_of
from hub import policies
from hub.programmes import get_programme
from referrals.answers import brought_by
from referrals.clicks.link_referrers import sources_of
from referrals.conversions import yours
from referrals.conversions.rights import right_to_earn
from referrals.link_figures_page import SpanQuery, charts_of
from referrals.links import kit, link_dates, link_list, links
from referrals.links.link_changes import change_link
from referrals.links.link_figures import SPANS, figures_of
from referrals.links.link_list import LinksQuery
from referrals.links.links import Link, LinkNotFound, address_of
from referrals.links.links_input import LinkChange, NewLink, as_typed, last_day_of, terms_in
from referrals.qr_page import picture_of
from web.forms import Form, read_form, read_query
from web.signing_in import advocate, me

door = Blueprint("referrals_portal", __name__)


SHOWN = 5
"""of the links that run those that are shown whole; the others are on the list of all"""


@door.get("/portal/links")
def my_links() -> str:
    """The newest links with what they brought, and what is missing where something is."""
    member = advocate()
    programme, held, at = get_programme(member.programme_id), links.links_of(member.id), now()
    live = [link for link in held if not link.ended_at(at)]
    told = yours.yours(member.id, read_query(yours.YoursQuery).after)
    return render_template(
        "portal/referrals/links.html",
        programme=programme,
        live=live[:SHOWN],
        more=len(held) > len(live[:SHOWN]),
        brought=brought_by([link.id for link in live[:SHOWN]]),
        address=address_of,
        last_day=last_day_of,
        at=at,
        missing=right_to_earn(member.id, at).missing,
        unread=policies.unacknowledged(member.person_id, programme.id, at),
        conversions=told,
        amount=yours.amount_of,
        share=yours.share_of,
        verdict=yours.verdict_of,
    )


@door.get("/portal/links/all")
def all_my_links() -> str:
    """All of them as a list, those that ended too, the newest first."""
    member, query = advocate(), read_query(LinksQuery)
    wanted = link_list.wanted_by(query, frozenset({member.unit_id})).where(Link.membership_id == member.id)
    page = page_of(wanted, (col(Link.id), "id"), after=query.after)
    return render_template(
        "portal/referrals/all_links.html",
        page=page,
        query=query,
        brought=brought_by([link.id for link in page.items]),
        address=address_of,
        last_day=last_day_of,
        at=now(),
    )


@door.post("/portal/links")
def open_link() -> ResponseReturnValue:
    """A further link."""
    member, wanted = advocate(), read_form(NewLink)
    zone = get_programme(member.programme_id).zone
    link = links.open_link(
        member,
        by=_acting(),
        code=wanted.code,
        destination=wanted.destination,
        campaign=wanted.campaign,
        starts_at=link_dates.first_moment(wanted.first_day, zone),
        ends_at=link_dates.end_after(wanted.last_day, zone),
    )
    flash(_("Your link %(code)s is ready to be shared.", code=link.code), "good")
    return redirect("/portal/links", 303)


@door.get("/portal/links/<id:link_id>")
def my_link(link_id: str) -> str:
    """One link: what it brought by day, its QR code, and what can be changed of it."""
    link, query = _mine(link_id), read_query(SpanQuery)
    programme, found = get_programme(link.programme_id), figures_of(link.id, int(query.days))
    brought = brought_by([link.id])[link.id]
    return render_template(
        "portal/referrals/link.html",
        link=link,
        programme=programme,
        address=address_of(link),
        last_day=last_day_of,
        brought=brought,
        sources=sources_of(link.id, brought.clicks),
        found=found,
        charts=charts_of(found),
        span=int(query.days),
        spans=SPANS,
        at=now(),
        form=Form(as_typed(link)),
    )


@door.post("/portal/links/<id:link_id>")
def change_my_link(link_id: str) -> ResponseReturnValue:
    """Another destination, campaign or last day."""
    link, typed = _mine(link_id), read_form(LinkChange)
    change_link(link, terms_in(typed, link), by=_acting(), seen_version=typed.version)
    flash(_("Saved. Visitors are sent there from now on."), "good")
    return redirect(f"/portal/links/{link.id}", 303)


@door.post("/portal/links/<id:link_id>/end")
def end_link(link_id: str) -> ResponseReturnValue:
    """A link is no longer used."""
    link = _mine(link_id)
    links.end_link(link, by=_acting())
    flash(_("The link %(code)s has ended. What it brought stays yours.", code=link.code), "good")
    return redirect("/portal/links", 303)


@door.get("/portal/links/<id:link_id>/share")
def share(link_id: str) -> str:
    """Words to begin from for each channel, the disclosure first, and what the programme gives to share."""
    link = _mine(link_id)
    programme = get_programme(link.programme_id)
    return render_template(
        "portal/referrals/share.html",
        link=link,
        programme=programme,
        address=address_of(link),
        kit=kit.kit_for(programme, address_of(link)),
        assets=kit.assets_of(programme.id),
        missing=right_to_earn(link.membership_id, now()).missing,
        at=now(),
    )


@door.get("/portal/links/<id:link_id>/qr.svg")
def qr_svg(link_id: str) -> Response:
    """The link as a QR code, for print."""
    return picture_of(_mine(link_id), "svg")


@door.get("/portal/links/<id:link_id>/qr.png")
def qr_png(link_id: str) -> Response:
    """The same, for slides and messengers."""
    return picture_of(_mine(link_id), "png")


def _mine(link_id: str) -> Link:
    link = session().get(Link, link_id)
    if link is None or link.membership_id != advocate().id:
        raise LinkNotFound
    return link


def _acting() -> Actor:
    return me().actor
