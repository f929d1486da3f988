"""Doors for machines: links opened, changed and ended."""

from dataclasses import replace

from flask import Blueprint, Response, jsonify, request

from advocates.membership import MembershipNotFound
from core.access import Actor
from core.db import session
from core.errors import Invalid
from core.inputs import PRINTABLE
from referrals import answers
from referrals.answers import ShownLink
from referrals.conversions.examples import A_LINK, A_LINK_CHANGE
from referrals.conversions.seen import seen_link
from referrals.links import link_changes, link_requests, links
from referrals.links.codes import WrongCode, WrongCoupon
from referrals.links.destinations import DestinationTooLong, HostNotAllowed, WrongDestination
from referrals.links.link_changes import LinkChanged
from referrals.links.link_dates import EndsTooEarly, StartsTooEarly
from referrals.links.link_input import LinkChanges, WantedLink
from referrals.links.link_requests import ProgrammeNeeded, RequestDiffers
from referrals.links.links import (
    AlreadyEnded,
    CodeTaken,
    CouponTaken,
    Link,
    LinkNotFound,
    LooksLikeAnother,
    NoRightToEarn,
    TooManyLinks,
)
from web.api_doors import NoQuery, by_json, by_query
from web.machines import note_use, unit_of_caller
from web.protection import csrf

door = Blueprint("referrals_links_api", __name__)
door.after_request(note_use)
csrf.exempt(door)


class WrongIdempotencyKey(Invalid):
    """An Idempotency-Key has up to 200 visible ASCII characters."""


@door.post("/api/v1/links")
@by_json(
    WantedLink,
    scope="links:write",
    answers={201: ShownLink, 200: ShownLink},
    refuses=(
        MembershipNotFound, CodeTaken, LooksLikeAnother, RequestDiffers, CouponTaken, NoRightToEarn, TooManyLinks,
        ProgrammeNeeded, HostNotAllowed, WrongDestination, DestinationTooLong, WrongCode, WrongCoupon,
        StartsTooEarly, EndsTooEarly, WrongIdempotencyKey,
    ),
    example=A_LINK,
    idempotency_key=True,
)  # fmt: skip
def open_link(actor: Actor, wanted: WantedLink) -> tuple[Response, int]:
    """Open a link of an advocate: 201, or 200 and the link for a repetition.

    A repetition is known by its Idempotency-Key, or by its code.
    """
    member = link_requests.advocate_meant(wanted, actor.units_for("links:write"))
    link, new = link_requests.open_once(
        wanted,
        member,
        by=actor,
        unit_id=unit_of_caller(),
        idempotency_key=_idempotency_key(),
    )
    return _told(link), 201 if new else 200


@door.patch("/api/v1/links/<code>")
@by_json(
    LinkChanges,
    scope="links:write",
    answers={200: ShownLink},
    refuses=(
        *(LinkNotFound, AlreadyEnded, LinkChanged, HostNotAllowed, WrongDestination, DestinationTooLong),
        *(StartsTooEarly, EndsTooEarly, CouponTaken, WrongCoupon),
    ),
    example=A_LINK_CHANGE,
)
def change_link(actor: Actor, changes: LinkChanges, code: str) -> Response:
    """Change where a link leads, its campaign, its coupon, or when it ends."""
    link = seen_link(code, actor, "links:write")
    wanted = replace(link_changes.terms_of(link), **changes.model_dump(exclude_unset=True))
    link_changes.change_link(link, wanted, by=actor, seen_version=link.version)
    return _told(link)


@door.post("/api/v1/links/<code>/end")
@by_query(NoQuery, scope="links:write", answers={200: ShownLink}, refuses=(LinkNotFound,), rate="writes")
def end_link(actor: Actor, _query: NoQuery, code: str) -> Response:
    """End a link now: it stops forwarding, and what it brought stays. Ending it twice is ending it once."""
    link = seen_link(code, actor, "links:write")
    try:
        links.end_link(link, by=actor)
    except AlreadyEnded:
        session().refresh(link)
    return _told(link)


def _told(link: Link) -> Response:
    return jsonify(answers.show_links([link])[link.id].model_dump(mode="json"))


def _idempotency_key() -> str | None:
    given = request.headers.get("Idempotency-Key")
    if given is not None and not PRINTABLE.fullmatch(given):
        raise WrongIdempotencyKey
    return given
